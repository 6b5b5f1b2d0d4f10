"""The words of the reports' headings and notes, in English and in Chinese."""

from __future__ import annotations

from tracer.errors import InputError, near

LANGUAGES = ("en", "zh")

WORDS: dict[str, tuple[str, str]] = {
    # what a row is
    "call": ("Call", "调用"),
    "line": ("Module", "模块"),
    "id": ("Id", "编号"),
    "kind": ("Kind", "种类"),
    "path": ("Path", "路径"),
    "nth": ("Nth", "第几次"),
    "type": ("Type", "类型"),
    "stage": ("Stage", "阶段"),
    "parent": ("Parent", "上层调用"),
    "depth": ("Depth", "层深"),
    "calls": ("Calls", "次数"),
    "settings": ("Kernel, stride, padding", "卷积核、步幅、填充"),
    "source": ("Source", "源码位置"),
    "called_from": ("Called from", "调用位置"),
    "error": ("Error", "错误"),
    "note": ("Note", "备注"),
    # tensors
    "input": ("Input", "输入"),
    "output": ("Output", "输出"),
    "stride": ("Stride", "步幅"),
    "dtype": ("Dtype", "数据类型"),
    "device": ("Device", "设备"),
    "min": ("Min", "最小值"),
    "max": ("Max", "最大值"),
    "mean": ("Mean", "均值"),
    "std": ("Std", "标准差"),
    "zeros": ("Zeros", "零的比例"),
    "nan": ("NaN", "NaN"),
    "inf": ("Inf", "Inf"),
    # sums
    "params": ("Params", "参数量"),
    "trainable": ("Trainable", "可训练"),
    "frozen": ("Frozen", "冻结"),
    "macs": ("MACs", "乘加次数"),
    "time": ("Time", "用时"),
    "all_params": ("Params beneath", "参数量（含下层）"),
    "uncounted": ("not counted", "未计入"),
    "all_macs": ("MACs beneath", "乘加次数（含下层）"),
    "all_time": ("Time beneath", "用时（含下层）"),
    "built_type": ("Built", "建成"),
    "built": ("Params built", "建成的参数量"),
    "built_frozen": ("Frozen", "冻结参数量"),
    "name": ("Name", "名称"),
    "gradient": ("Gradient {what}", "梯度{what}"),
    "learning": ("With a gradient", "得到梯度"),
    "grad_norm": ("Gradient norm", "梯度范数"),
    "builders": ("Built by", "由谁建成"),
    "added": ("Params added", "新增参数量"),
    "total": ("Total", "合计"),
    # an exported graph
    "graph_nodes": ("Nodes", "节点数"),
    "operators": ("Operators", "算子"),
    "title_graph": ("{count} nodes of the graph", "计算图的 {count} 个节点"),
    "class": ("Class", "类别"),
    "box": ("Box in torch: x1, y1, x2, y2", "torch 的框：x1, y1, x2, y2"),
    "torch_score": ("Score in torch", "torch 得分"),
    "onnx_score": ("Score in onnxruntime", "onnxruntime 得分"),
    "box_gap": ("Corners differ by, pixels", "框角相差（像素）"),
    # the board
    "step": ("Step", "步骤"),
    "what": ("What it is", "说明"),
    "shape": ("Shape", "形状"),
    "shape_or_levels": ("Shape, or boxes per level", "形状，或各层的框数"),
    "value": ("Value", "数值"),
    "image_n": ("Image {n}", "图片 {n}"),
    "each_image": ("Per image", "各张图片"),
    "step_images": ("images", "输入图片"),
    "what_images": ("as they came, H×W", "原始尺寸，高×宽"),
    "step_resized": ("resized", "缩放"),
    "what_resized": ("normalised, then scaled", "先归一化，再缩放"),
    "step_scale": ("scale", "缩放比例"),
    "what_scale": ("of the height", "按高度"),
    "step_batch": ("padded batch", "填充后的批量"),
    "what_batch": ("all images, one size", "所有图片统一尺寸"),
    "what_level": ("pyramid, key {key}", "特征金字塔，键 {key}"),
    "step_anchors": ("anchors", "锚框"),
    "what_anchors_any": ("per image", "每张图片"),
    "step_top_k": ("top-k", "top-k"),
    "what_top_k": ("by objectness, ≤ {limit} per level", "按前景得分，每层至多 {limit}"),
    "step_clipped": ("clipped", "裁剪"),
    "what_clipped": (
        "to the image; tiny ones and scores < {limit} go",
        "裁剪到图片内，去掉过小的框和得分 < {limit} 的框",
    ),
    "step_rpn_nms": ("RPN NMS", "RPN 的 NMS"),
    "what_rpn_nms": ("IoU > {limit} goes, level by level", "逐层去掉 IoU > {limit} 的框"),
    "step_proposals": ("proposals", "候选框"),
    "what_proposals": ("≤ {limit} per image", "每张图片至多 {limit}"),
    "what_proposals_any": ("what the RPN hands on", "RPN 的输出"),
    "step_anchor_samples": ("sampled anchors", "抽中的锚框"),
    "what_anchor_samples_any": ("what the RPN's losses see", "RPN 损失所用"),
    "step_positive_anchors": ("… positive", "……正样本"),
    "what_positive_anchors_any": ("matched to a target", "与目标匹配"),
    "step_samples": ("sampled proposals", "抽中的候选框"),
    "what_samples_any": ("targets added; what the losses see", "加入真实框后采样，损失所用"),
    "step_positives": ("… positive", "……正样本"),
    "what_positives_any": ("matched to a target", "与目标匹配"),
    "step_rois": ("RoIs", "RoI"),
    "what_rois_any": ("pooled; per level over all images", "送入池化；各层为所有图片之和"),
    "step_roi_levels": ("RoIs per level", "各层的 RoI"),
    "step_candidates": ("candidates", "候选检测"),
    "what_candidates": (
        "one per box and class, score > {limit}",
        "每个框的每个类别各一个，得分 > {limit}",
    ),
    "step_nms": ("NMS", "NMS"),
    "what_nms": ("IoU > {limit} goes, class by class", "逐类去掉 IoU > {limit} 的框"),
    "step_detections": ("detections", "检测结果"),
    "what_detections": ("≤ {limit}, in the image's own pixels", "至多 {limit} 个，坐标回到原图"),
    "what_detections_any": ("in the image's own pixels", "坐标回到原图"),
    "loss": ("loss", "损失"),
    "open_page": ("Step through it", "逐步查看"),
    "note_passes": (
        "Pass {nth} of the {count} in this recording, counted from 0.",
        "本记录含 {count} 次前向，这里是第 {nth} 次（从 0 数起）。",
    ),
    "note_missing": (
        "Not known without the function grain: {steps}.",
        "没有记录函数粒度，因此不知道：{steps}。",
    ),
    # notes
    "comma": (", ", "、"),
    "in_place": ("in place", "原地写入"),
    "overwritten": ("overwritten by {by}", "之后被 {by} 覆盖"),
    "raised": ("error passed on", "异常由此传出"),
    "title_eval": ("{subject}, a pass in eval mode", "{subject}：一次前向（评估模式）"),
    "title_train": ("{subject}, a pass in training mode", "{subject}：一次前向（训练模式）"),
    "title_construction": ("{subject}, a construction", "{subject}：一次构建"),
    "title_calls": ("{name}: {shown} of {all} calls", "{name}，{all} 次调用中的 {shown} 次"),
    "note_sums": (
        "{columns}: what no other row shows, so that each column adds up.",
        "{columns}：每行只计其他行没有列出的部分，因此各列相加即得合计。",
    ),
    "note_uncounted": (
        "MACs are a lower bound: the column “not counted” names kernels that have no formula.",
        "乘加次数只是下界：“未计入”一列列出的内核没有计算公式。",
    ),
    "note_folded": (
        "A row such as layer1.1-2 stands for neighbours that are alike; its sums are over all of "
        "them (without folding, each is shown).",
        "形如 layer1.1-2 的一行代表几个相同的相邻调用，数值为它们之和（不折叠则逐个列出）。",
    ),
    "note_narrow": (
        "Not shown for lack of width: {columns}. Choose columns, or write to a file to have all.",
        "宽度不够，未显示：{columns}。可以指定要显示的列，或输出到文件查看全部。",
    ),
    "note_cut": (
        'The first {shown} of {all} rows; print(…) and .to("html") have all of them.',
        '只显示 {all} 行中的前 {shown} 行；print(…) 与 .to("html") 给出全部。',
    ),
    "calls_recorded": ("calls", "次调用"),
    "lines_recorded": ("lines", "行源码"),
    "tensors_recorded": ("tensor states", "个张量状态"),
    "note_tensorless": (
        "Functions that handle no tensor are left out (grain all shows them).",
        "不涉及张量的函数没有列出（grain 设为 all 可全部显示）。",
    ),
    "note_error": (
        "It ended by {type}: {message} in {call}.",
        "运行在 {call} 中因 {type}: {message} 而中止。",
    ),
}


def word(key: str, lang: str = "en", /, **values: object) -> str:
    """Return a heading or a note, its ``{names}`` filled in.

    Raises:
        InputError: there is no such language.
    """
    if lang not in LANGUAGES:
        raise InputError(
            f"no language {lang!r}{near(lang, LANGUAGES)} (there are: {', '.join(LANGUAGES)})"
        )
    text = WORDS[key][LANGUAGES.index(lang)]
    return text.format(**values) if values else text
