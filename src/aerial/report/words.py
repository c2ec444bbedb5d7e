"""The words of a report, in Chinese and in English. It is always *suspected* (疑似), never a finding."""

import math
from collections.abc import Mapping

from aerial.report.record import Language

STAGES = {
    "report": ("上报", "reported"),
    "accept": ("受理", "accepted"),
    "verify": ("核实", "verification"),
    "file": ("立案", "filed"),
    "dispatch": ("派遣", "dispatched"),
    "dispose": ("处置", "disposal"),
    "check": ("核查", "check"),
    "close": ("结案", "closed"),
    "cancel": ("作废", "cancelled"),
    "rework": ("返工", "rework"),
    "postpone": ("延期", "postponed"),
    "hang": ("挂账", "on hold"),
}
RESULTS = {
    "confirmed": ("属实", "confirmed"),
    "unfounded": ("不属实", "unfounded"),
    "permitted": ("已批", "permitted"),
    "demolished": ("已拆", "demolished"),
    "rebuilt": ("复建", "rebuilt"),
    "no_access": ("无法进入", "no access"),
}
KINDS = {
    "new": ("疑似新增建筑", "suspected new building"),
    "extended": ("疑似扩建", "suspected extension"),
    "rooftop": ("疑似楼顶加建", "suspected rooftop addition"),
    "demolished": ("疑似拆除", "suspected demolition"),
    "excavation": ("疑似开挖", "suspected excavation"),
    "unknown": ("疑似，类别待判", "suspected, kind unknown"),
}
REASONS = {
    "height": ("高差", "height"),
    "pictures": ("影像", "pictures"),
    "height and pictures": ("高差和影像", "height and pictures"),
}
ZONES = {
    "no_fly": ("禁飞区", "no-fly zone"),
    "fence": ("围栏", "fence"),
    "controlled": ("管制空域", "controlled airspace"),
    "obstacle": ("障碍物", "obstacle"),
    "permit": ("许可建设", "permit"),
    "known_building": ("已知建筑", "known building"),
    "farmland": ("农田", "farmland"),
    "sensitive": ("敏感区", "sensitive zone"),
}
# Accuracy classes of positions: largest error in metres, words.
CLASSES = (
    (0.5, ("A 级（≤0.5 m）", "class A (≤0.5 m)")),
    (1.0, ("B 级（≤1 m）", "class B (≤1 m)")),
    (10.0, ("C 级（≤10 m）", "class C (≤10 m)")),
)
WORDS = {
    "suspected": ("疑似新增违建", "Suspected new illegal building"),
    "only_suspected": (
        "本报告所列均为疑似新增违建线索，是否违法由执法人员现场核实、依法认定。",
        "Everything listed here is suspected only; whether it is illegal is for officers to establish.",
    ),
    "not_seen": (
        "未能看到的内容：影像为正射（垂直向下）航拍，看不到建筑立面、屋檐和屋顶以下、树冠和雨棚遮挡处，"
        "也不能说明用途、权属和审批情况。",
        "Not seen: the pictures look straight down. They do not show facades, what is under roofs, "
        "canopies and trees, nor use, ownership or permission.",
    ),
    "unknown": ("未知", "unknown"),
    "none": ("无", "none"),
    "comma": ("，", ", "),
    "not_set": ("未设定", "not set"),
    "no_result": ("尚无", "none yet"),
    "about": ("说明", "About"),
    "town": ("镇街", "Town"),
    "cycle": ("周期", "Cycle"),
    "generated": ("生成时间", "Generated"),
    "software": ("软件版本", "Software"),
    "settings": ("设置 SHA-256", "Settings SHA-256"),
    "cases": ("案件", "Cases"),
    "held_cases": ("暂缓外发", "Held back"),
    "held_mark": ("* 暂缓外发", "* held back"),
    "by_stage": ("按阶段", "By stage"),
    "by_community": ("按社区", "By community"),
    "by_kind": ("按疑似类型", "By suspected kind"),
    "count": ("数量", "Count"),
    "audit": ("审计链首哈希", "Heads of the audit chains"),
    "audit_short": ("审计链首", "Audit head"),
    "audit_none": ("无审计记录", "no audit record"),
    "row": ("条", "rows"),
    "all_cases": ("全部案件", "All cases"),
    "case": ("案件编号", "Case"),
    "community": ("社区", "Community"),
    "unit_grid": ("单元网格", "Unit grid"),
    "cell": ("飞行单元", "Flight cell"),
    "kind": ("疑似类型", "Suspected kind"),
    "area": ("面积", "Area"),
    "height_change": ("高度变化", "Height change"),
    "error": ("位置误差 (95%)", "Position error (95%)"),
    "error_short": ("误差", "Error"),
    "beyond_c": ("低于 C 级（>10 m）", "worse than class C (>10 m)"),
    "stage": ("阶段", "Stage"),
    "deadline": ("办理期限", "Deadline"),
    "site_result": ("现场核实结果", "On-site result"),
    "page": ("页", "Page"),
    "page_n": ("第 {n} 页", "Page {n}"),
    "place": ("位置", "Place"),
    "what": ("疑似变化", "Suspected change"),
    "when": ("日期与外发", "Dates and release"),
    "file": ("案件", "Case"),
    "proof": ("证据", "Evidence"),
    "address": ("地址", "Address"),
    "lon_lat": ("{ew} {lon:.8f}°, {ns} {lat:.8f}°", "{lon:.8f}° {ew}, {lat:.8f}° {ns}"),
    "east": ("东经", "E"),
    "west": ("西经", "W"),
    "north": ("北纬", "N"),
    "south": ("南纬", "S"),
    "gauss": ("高斯-克吕格", "Gauss-Krüger"),
    "utm": ("UTM", "UTM"),
    "navigate": ("导航", "Navigation"),
    "amap": ("高德地图导航", "Navigate with AMap"),
    "score": ("得分", "Score"),
    "by": ("依据", "by"),
    "zones": ("所在区域", "Zones"),
    "before_on": ("前期航测", "Survey before"),
    "after_on": ("后期航测", "Survey after"),
    "found_at": ("发现时间", "Found"),
    "previous": ("上一案件（复建）", "Case before (rebuilt)"),
    "matter": ("事项", "Matter"),
    "authority": ("主管部门", "Authority"),
    "secrecy": ("密级", "Secrecy"),
    "accepted": ("认定为案件", "Made a case by"),
    "receipts": ("送达回执", "Receipts"),
    "held": ("暂缓外发，原因", "Held back because"),
    "suspect_key": ("线索标识", "Suspect key"),
    "model": ("模型 SHA-256", "Model SHA-256"),
    "params": ("参数 SHA-256", "Parameters SHA-256"),
    "evidence": ("证据清单 SHA-256", "Evidence list SHA-256"),
    "files": ("个文件", "files"),
    "before": ("前", "Before"),
    "after": ("后", "After"),
    "change": ("变化图：红=出现，蓝=消失", "Change: red came, blue went"),
    "no_picture": ("无图片", "no picture"),
    "other_picture": ("图片与登记的哈希不符，未显示", "picture is not the one recorded; not shown"),
    "broken_picture": ("图片无法读取", "picture cannot be read"),
    "location": ("位置图", "Location"),
    "location_cell": ("飞行单元边界", "flight cell"),
    "location_community": ("社区边界", "community"),
    "location_case": ("本案件", "this case"),
    "no_outline": ("无飞行单元边界", "no outline of the flight cell"),
    "qr": ("二维码：案件编号", "QR: case number"),
    "signed_by": ("核实人", "Verified by"),
    "signed_result": ("核实结果", "Result"),
    "signed_on": ("日期", "Date"),
    "missing": (
        "字体缺少 {n} 处字符，以〓代替：{what}",
        "The font lacks {n} character(s), shown as 〓: {what}",
    ),
    "volumes": ("案件页见 {first} 至 {last}（共 {n} 册）。", "Case pages: {first} to {last} ({n} volumes)."),
    "volume": ("案件页第 {k} 册", "Case pages, volume {k}"),
    "in_volume": ("册", "Vol."),
    "to_summary": ("返回汇总", "Summary"),
    "no_cases": ("本报告没有案件。", "There is no case in this report."),
}


class Words:
    """The words of one language: ``words("area")``, ``words.of(STAGES, "close")``."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._index = 0 if language == "zh" else 1

    def __call__(self, name: str) -> str:
        """Return the word called ``name``."""
        return WORDS[name][self._index]

    def of(self, table: Mapping[str, tuple[str, str]], name: str) -> str:
        """Return the word for ``name`` of a table; a name that it lacks is returned as it is."""
        return table[name][self._index] if name in table else name

    def accuracy(self, error_m: float | None) -> str:
        """Return an error as metres and class, or that it is unknown."""
        if error_m is None:
            return self("unknown")
        # Rounded up, so that number and class agree and no position looks better than it is.
        centimetres = math.ceil(round(error_m * 100, 6))
        words = next((pair[self._index] for m, pair in CLASSES if centimetres <= 100 * m), self("beyond_c"))
        return f"{centimetres / 100:.2f} m{self('comma')}{words}"
