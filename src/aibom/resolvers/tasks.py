"""What a model is for, where only its class says so: tasks by architecture, and what goes in and comes out."""

from __future__ import annotations

from collections.abc import Mapping

# Suffixes of class names in transformers, longest first where one ends in another; tasks in the hub's spelling.
_SUFFIXES: tuple[tuple[str, str], ...] = (
    ("ForCausalLM", "text-generation"),
    ("LMHeadModel", "text-generation"),
    ("ForMaskedLM", "fill-mask"),
    ("ForSequenceClassification", "text-classification"),
    ("ForTokenClassification", "token-classification"),
    ("ForVisualQuestionAnswering", "visual-question-answering"),
    ("ForTableQuestionAnswering", "table-question-answering"),
    ("ForDocumentQuestionAnswering", "document-question-answering"),
    ("ForQuestionAnswering", "question-answering"),
    ("ForMultipleChoice", "multiple-choice"),
    ("ForImageClassification", "image-classification"),
    ("ForVideoClassification", "video-classification"),
    ("ForAudioClassification", "audio-classification"),
    ("ForObjectDetection", "object-detection"),
    ("ForZeroShotObjectDetection", "zero-shot-object-detection"),
    ("ForSemanticSegmentation", "image-segmentation"),
    ("ForUniversalSegmentation", "image-segmentation"),
    ("ForInstanceSegmentation", "image-segmentation"),
    ("ForDepthEstimation", "depth-estimation"),
    ("ForMaskGeneration", "mask-generation"),
    ("ForCTC", "automatic-speech-recognition"),
    ("ForSpeechSeq2Seq", "automatic-speech-recognition"),
    ("ForTextToWaveform", "text-to-audio"),
    ("ForImageTextToText", "image-text-to-text"),
    ("ForVision2Seq", "image-text-to-text"),
)
_CLASSES: Mapping[str, str] = {
    "T5ForConditionalGeneration": "text2text-generation",
    "MT5ForConditionalGeneration": "text2text-generation",
    "BartForConditionalGeneration": "text2text-generation",
    "MBartForConditionalGeneration": "text2text-generation",
    "PegasusForConditionalGeneration": "summarization",
    "MarianMTModel": "translation",
    "WhisperForConditionalGeneration": "automatic-speech-recognition",
    "LlavaForConditionalGeneration": "image-text-to-text",
    "Llama4ForConditionalGeneration": "image-text-to-text",
    "MllamaForConditionalGeneration": "image-text-to-text",
    "Gemma3ForConditionalGeneration": "image-text-to-text",
    "Qwen2VLForConditionalGeneration": "image-text-to-text",
    "Qwen2_5_VLForConditionalGeneration": "image-text-to-text",
    "PaliGemmaForConditionalGeneration": "image-text-to-text",
    "BlipForConditionalGeneration": "image-to-text",
    "CLIPModel": "zero-shot-image-classification",
    "SiglipModel": "zero-shot-image-classification",
    "StableDiffusionPipeline": "text-to-image",
    "StableDiffusionXLPipeline": "text-to-image",
    "StableDiffusion3Pipeline": "text-to-image",
    "FluxPipeline": "text-to-image",
    "PixArtAlphaPipeline": "text-to-image",
    "DDPMPipeline": "unconditional-image-generation",
    "DDIMPipeline": "unconditional-image-generation",
    "TextToVideoSDPipeline": "text-to-video",
    "HunyuanVideoPipeline": "text-to-video",
    "CogVideoXPipeline": "text-to-video",
    "LTXPipeline": "text-to-video",
    "WanPipeline": "text-to-video",
}
_PIPELINES: tuple[tuple[str, str], ...] = (
    ("Img2ImgPipeline", "image-to-image"),
    ("InpaintPipeline", "image-to-image"),
    ("ControlNetPipeline", "text-to-image"),
    ("ImageToVideoPipeline", "image-to-video"),
)
# PEFT's task types.
PEFT_TASKS: Mapping[str, str] = {
    "CAUSAL_LM": "text-generation",
    "SEQ_CLS": "text-classification",
    "SEQ_2_SEQ_LM": "text2text-generation",
    "TOKEN_CLS": "token-classification",
    "QUESTION_ANS": "question-answering",
    "FEATURE_EXTRACTION": "feature-extraction",
}
_FORMATS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "text-generation": (("text",), ("text",)),
    "text2text-generation": (("text",), ("text",)),
    "summarization": (("text",), ("text",)),
    "translation": (("text",), ("text",)),
    "fill-mask": (("text",), ("text",)),
    "text-classification": (("text",), ("label",)),
    "token-classification": (("text",), ("label",)),
    "question-answering": (("text",), ("text",)),
    "zero-shot-classification": (("text",), ("label",)),
    "sentence-similarity": (("text",), ("embedding",)),
    "feature-extraction": (("text",), ("embedding",)),
    "text-ranking": (("text",), ("score",)),
    "image-classification": (("image",), ("label",)),
    "object-detection": (("image",), ("bounding-box", "label")),
    "image-segmentation": (("image",), ("mask",)),
    "image-to-text": (("image",), ("text",)),
    "image-text-to-text": (("image", "text"), ("text",)),
    "visual-question-answering": (("image", "text"), ("text",)),
    "zero-shot-image-classification": (("image", "text"), ("label",)),
    "image-feature-extraction": (("image",), ("embedding",)),
    "text-to-image": (("text",), ("image",)),
    "image-to-image": (("image",), ("image",)),
    "unconditional-image-generation": ((), ("image",)),
    "text-to-video": (("text",), ("video",)),
    "image-to-video": (("image",), ("video",)),
    "text-to-speech": (("text",), ("audio",)),
    "text-to-audio": (("text",), ("audio",)),
    "automatic-speech-recognition": (("audio",), ("text",)),
    "audio-classification": (("audio",), ("label",)),
    "video-classification": (("video",), ("label",)),
    "tabular-classification": (("tabular",), ("label",)),
    "tabular-regression": (("tabular",), ("number",)),
}


def task_of(architecture: str) -> str | None:
    """Conclude a task from a class name of transformers or diffusers; None where the class serves several."""
    if known := _CLASSES.get(architecture):
        return known
    for suffix, task in (*_SUFFIXES, *_PIPELINES):
        if architecture.endswith(suffix):
            return task
    return None


def formats_of(task: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what a task takes and gives; empty where the task is not known."""
    return _FORMATS.get(task, ((), ()))
