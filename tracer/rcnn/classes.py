"""What the classes of a detector are called, by label; label 0 is the background.

Names come with a recording (`Trace.classes`) in the language that the model's maker wrote them in.
For vocabularies that are known here, `names_in` gives them in Chinese too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_SHAPES = {"circle": "圆形", "rectangle": "矩形", "triangle": "三角形", "star": "五角星"}
_COCO = {
    **{"person": "人", "bicycle": "自行车", "car": "汽车", "motorcycle": "摩托车"},
    **{"airplane": "飞机", "bus": "公交车", "train": "火车", "truck": "卡车", "boat": "船"},
    **{"traffic light": "红绿灯", "fire hydrant": "消防栓", "stop sign": "停车标志"},
    **{"parking meter": "停车计时器", "bench": "长椅", "bird": "鸟", "cat": "猫", "dog": "狗"},
    **{"horse": "马", "sheep": "羊", "cow": "牛", "elephant": "大象", "bear": "熊"},
    **{"zebra": "斑马", "giraffe": "长颈鹿", "backpack": "双肩包", "umbrella": "雨伞"},
    **{"handbag": "手提包", "tie": "领带", "suitcase": "行李箱", "frisbee": "飞盘"},
    **{"skis": "滑雪板", "snowboard": "单板滑雪板", "sports ball": "球", "kite": "风筝"},
    **{"baseball bat": "棒球棒", "baseball glove": "棒球手套", "skateboard": "滑板"},
    **{"surfboard": "冲浪板", "tennis racket": "网球拍", "bottle": "瓶子"},
    **{"wine glass": "高脚杯", "cup": "杯子", "fork": "叉子", "knife": "刀", "spoon": "勺子"},
    **{"bowl": "碗", "banana": "香蕉", "apple": "苹果", "sandwich": "三明治", "orange": "橙子"},
    **{"broccoli": "西兰花", "carrot": "胡萝卜", "hot dog": "热狗", "pizza": "比萨"},
    **{"donut": "甜甜圈", "cake": "蛋糕", "chair": "椅子", "couch": "沙发"},
    **{"potted plant": "盆栽", "bed": "床", "dining table": "餐桌", "toilet": "马桶"},
    **{"tv": "电视", "laptop": "笔记本电脑", "mouse": "鼠标", "remote": "遥控器"},
    **{"keyboard": "键盘", "cell phone": "手机", "microwave": "微波炉", "oven": "烤箱"},
    **{"toaster": "烤面包机", "sink": "水槽", "refrigerator": "冰箱", "book": "书"},
    **{"clock": "时钟", "vase": "花瓶", "scissors": "剪刀", "teddy bear": "泰迪熊"},
    **{"hair drier": "吹风机", "toothbrush": "牙刷"},
}
_BACKGROUND = {"__background__": "背景", "no person": "背景", "N/A": "N/A"}
CHINESE = {**_BACKGROUND, **_SHAPES, **_COCO}
"""Names in Chinese: those of the demo's scenes and of COCO."""


def names_in(names: Sequence[str], lang: str) -> tuple[str, ...]:
    """Return class names in a language, as far as all of them are known in it.

    Args:
        names: by label, as in `Trace.classes`.
        lang: ``"en"`` or ``"zh"``.

    Returns:
        Chinese names for ``"zh"`` if every name has one, so that no list is half translated; else
        the names as they are, the background by a readable name.
    """
    if lang == "zh" and all(name in CHINESE for name in names):
        return tuple(CHINESE[name] for name in names)
    background = "背景" if lang == "zh" else "background"
    return tuple(background if name == "__background__" else name for name in names)


def class_name(names: Sequence[str], label: int, lang: str = "en") -> str:
    """Return what a label is called: its name, or ``"class 3"`` where it has none."""
    if 0 <= label < len(names):
        return names_in(names, lang)[label]
    return f"类别 {label}" if lang == "zh" else f"class {label}"


def classes_of(model: Any) -> int | None:
    """Return how many classes a detector tells apart, background included; None if unknown."""
    if hasattr(model, "roi_heads"):
        score = getattr(getattr(model.roi_heads, "box_predictor", None), "cls_score", None)
        return getattr(score, "out_features", None)
    head = getattr(getattr(model, "head", None), "classification_head", None)
    return getattr(head, "num_classes", None) or getattr(head, "num_columns", None)
