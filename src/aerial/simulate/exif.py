"""The metadata of a DJI photograph: EXIF as the standard has it, XMP as the maker writes it."""

from datetime import datetime

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from aerial.camera import Camera
from aerial.geo import LonLat
from aerial.simulate.flight import CameraFile, Shot

_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="DJI Meta Data"
    xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/"
{attributes}/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""


def exif_bytes(file: CameraFile, camera: Camera, shot: Shot, at: LonLat) -> bytes:
    """Return the EXIF block: the labelled focal length, never the true one."""
    exif = Image.Exif()
    stamp = shot.taken_at.strftime("%Y:%m:%d %H:%M:%S")
    base = ExifTags.Base
    exif[base.ImageDescription] = "default"
    exif[base.Make], exif[base.Model] = file.make, file.model
    exif[base.Orientation] = 1
    exif[base.XResolution] = exif[base.YResolution] = IFDRational(72, 1)
    exif[base.ResolutionUnit] = 2
    exif[base.Software] = "v01.07.1641"
    exif[base.DateTime] = stamp
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    inner[base.ExposureTime] = IFDRational(1, round(1 / file.exposure_s))
    inner[base.FNumber] = IFDRational(round(file.f_number * 10), 10)
    inner[base.ExposureProgram] = 2
    inner[base.ISOSpeedRatings] = 100
    inner[base.ExifVersion] = b"0230"
    inner[base.DateTimeOriginal] = inner[base.DateTimeDigitized] = stamp
    inner[base.FocalLength] = IFDRational(round(file.focal_mm * 100), 100)
    inner[base.ColorSpace] = 1
    inner[base.ExifImageWidth], inner[base.ExifImageHeight] = camera.width_px, camera.height_px
    inner[base.FocalLengthIn35mmFilm] = file.focal_35mm
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    tag = ExifTags.GPS
    gps[tag.GPSVersionID] = b"\x02\x03\x00\x00"
    gps[tag.GPSLatitudeRef], gps[tag.GPSLatitude] = "N" if at.lat_deg >= 0 else "S", _sexagesimal(at.lat_deg)
    gps[tag.GPSLongitudeRef], gps[tag.GPSLongitude] = (
        "E" if at.lon_deg >= 0 else "W",
        _sexagesimal(at.lon_deg),
    )
    gps[tag.GPSAltitudeRef] = b"\x01" if shot.gps_3[2] < 0 else b"\x00"
    gps[tag.GPSAltitude] = IFDRational(round(abs(float(shot.gps_3[2])) * 1000), 1000)
    return bytes(exif.tobytes())


def xmp_bytes(file: CameraFile, shot: Shot, at: LonLat) -> bytes:
    """Return the XMP packet with DJI's heights and angles."""
    yaw, pitch, roll = shot.gimbal_deg
    values = {
        "tiff:Make": file.make,
        "tiff:Model": file.model,
        "xmp:CreateDate": _iso(shot.taken_at),
        "drone-dji:GpsLatitude": f"{at.lat_deg:+.8f}",
        "drone-dji:GpsLongitude": f"{at.lon_deg:+.8f}",
        "drone-dji:AbsoluteAltitude": f"{shot.gps_3[2]:+.2f}",
        "drone-dji:RelativeAltitude": f"{shot.relative_height_m:+.2f}",
        "drone-dji:GimbalRollDegree": f"{roll:+.2f}",
        "drone-dji:GimbalYawDegree": f"{_half_turn(yaw):+.2f}",
        "drone-dji:GimbalPitchDegree": f"{max(pitch, -90.0):+.2f}",
        "drone-dji:FlightRollDegree": "+0.80",
        "drone-dji:FlightYawDegree": f"{_half_turn(shot.flight_yaw_deg):+.2f}",
        "drone-dji:FlightPitchDegree": "-3.10",
    }
    attributes = "\n".join(f'    {name}="{value}"' for name, value in values.items())
    return _XMP.format(attributes=attributes).encode("utf-8")


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


def _half_turn(angle_deg: float) -> float:
    return (angle_deg + 180) % 360 - 180


def _sexagesimal(angle_deg: float) -> tuple[IFDRational, IFDRational, IFDRational]:
    # Ten-thousandths of a second are 3 mm, as the maker stores them.
    units = round(abs(angle_deg) * 3600 * 10000)
    minutes, seconds = divmod(units, 60 * 10000)
    return IFDRational(minutes // 60, 1), IFDRational(minutes % 60, 1), IFDRational(seconds, 10000)
