"""Every property of a case that a table or a layer may show: the frozen ones and what a report adds."""

from typing import Any

from aerial.codec import sha256_json
from aerial.features import case_properties, navigation_link
from aerial.report.record import CaseEntry, CycleReport
from aerial.report.view import local_time, metric_position, site_result
from aerial.report.words import KINDS, RESULTS, STAGES, Words

# Name: heading in Chinese, in English. The order is that of the layers of a GeoPackage.
HEADINGS = {
    "number": ("序号", "No."),
    "external_key": ("案件编号", "Case"),
    "identity": ("建筑标识", "Identity"),
    "episode": ("次数", "Episode"),
    "previous": ("上一案件", "Case before"),
    "title": ("标题", "Title"),
    "kind": ("类型代码", "Kind"),
    "kind_zh": ("类型", "Kind (Chinese)"),
    "kind_words": ("疑似类型", "Suspected kind"),
    "source": ("来源", "Source"),
    "matter_table": ("代码表", "Code table"),
    "matter_code": ("事项代码", "Matter code"),
    "matter_name": ("事项名称", "Matter"),
    "authority_code": ("主管部门代码", "Authority code"),
    "authority_name": ("主管部门名称", "Authority"),
    "address": ("地址", "Address"),
    "unit_grid": ("单元网格", "Unit grid"),
    "community": ("社区", "Community"),
    "cell": ("飞行单元", "Flight cell"),
    "lon_deg": ("经度", "Longitude"),
    "lat_deg": ("纬度", "Latitude"),
    "crs": ("坐标系", "CRS"),
    "metric_crs": ("平面坐标系", "Projected CRS"),
    "east_m": ("东坐标 m", "East m"),
    "north_m": ("北坐标 m", "North m"),
    "error_m": ("位置误差 m", "Position error m"),
    "accuracy": ("精度等级", "Accuracy"),
    "area_m2": ("面积 m²", "Area m²"),
    "height_change_m": ("高度变化 m", "Height change m"),
    "score": ("得分", "Score"),
    "before_on": ("前期航测", "Survey before"),
    "after_on": ("后期航测", "Survey after"),
    "found_at": ("发现时间", "Found"),
    "stage": ("阶段代码", "Stage code"),
    "stage_words": ("阶段", "Stage"),
    "deadline": ("办理期限", "Deadline"),
    "secrecy": ("密级", "Secrecy"),
    "suspect_key": ("线索标识", "Suspect key"),
    "model_sha256": ("模型 SHA-256", "Model SHA-256"),
    "params_sha256": ("参数 SHA-256", "Parameters SHA-256"),
    "zones": ("所在区域", "Zones"),
    "evidence": ("证据", "Evidence"),
    "evidence_sha256": ("证据清单 SHA-256", "Evidence list SHA-256"),
    "site_result": ("核实结果代码", "Result code"),
    "site_result_words": ("现场核实结果", "On-site result"),
    "site_result_at": ("核实时间", "Result at"),
    "site_result_by": ("核实人", "Result by"),
    "held": ("暂缓原因", "Held because"),
    "receipts": ("送达回执", "Receipts"),
    "navigation": ("导航链接", "Navigation link"),
    "SXDM": ("SXDM", "SXDM"),
    "SXMC": ("SXMC", "SXMC"),
    "ZGBMDM": ("ZGBMDM", "ZGBMDM"),
    "ZGBMMC": ("ZGBMMC", "ZGBMMC"),
    "SFWZ": ("SFWZ", "SFWZ"),
    "SZDYWGBSM": ("SZDYWGBSM", "SZDYWGBSM"),
}
# A layer is kept and passed on: what is shifted for one provider's maps has no place in it.
LAYER = tuple(name for name in HEADINGS if name != "navigation")
WHOLE = ("number", "episode")
NUMBERS = (
    *WHOLE,
    "lon_deg",
    "lat_deg",
    "east_m",
    "north_m",
    "error_m",
    "area_m2",
    "height_change_m",
    "score",
)


def report_properties(entry: CaseEntry, number: int, report: CycleReport, words: Words) -> dict[str, Any]:
    """Return the properties of ``HEADINGS`` of one case: text, numbers, None, and ``evidence`` as a list.

    ``found_at``, ``deadline`` and ``site_result_at`` are ISO 8601 in UTC; lengths are in metres of
    ``metric_crs``, east and north.
    """
    case = entry.case
    crs, east_m, north_m = metric_position(case.at)
    result = site_result(entry)
    return case_properties(case) | {
        "number": number,
        "kind_words": words.of(KINDS, case.suspect.kind),
        "stage_words": words.of(STAGES, case.stage),
        "metric_crs": crs,
        "east_m": round(east_m, 3),
        "north_m": round(north_m, 3),
        "accuracy": words.accuracy(case.error_m),
        "site_result": result.result if result else None,
        "site_result_words": words.of(RESULTS, result.result) if result and result.result else None,
        "site_result_at": result.at.isoformat() if result else None,
        "site_result_by": result.by if result else None,
        "held": "; ".join(case.held) or None,
        "receipts": "; ".join(
            f"{sink} {receipt.remote_id} {local_time(receipt.read_at, report.utc_offset_h)}"
            for sink, receipt in entry.receipts
        )
        or None,
        "evidence_sha256": sha256_json(case.evidence) if case.evidence else None,
        "navigation": navigation_link(case.at, case.external_key),
    }
