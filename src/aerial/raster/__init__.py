"""Rasters on disk: their grid, their valid pixels, reading on another grid, writing as COG.

The only package that uses rasterio. Importing this name alone imports none of it::

    grid     Grid and its arithmetic (no rasterio)
    read     open_raster, read_on_grid: any GeoTIFF, resampled where CRS or GSD differ;
             read_bands: bands of the project's own rasters by their descriptions
    write    CogWriter, write_cog: Cloud-Optimized GeoTIFF, whole or not there

Pixel convention: (column, row), the centre of the first pixel is (0.5, 0.5).
"""
