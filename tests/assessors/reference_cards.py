"""Cards of the reference models, written in the manner of their publishers, with only what the developers disclose."""

# ruff: noqa: E501 -- a row of a table is one line

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_META_USES = """
## Intended Use

**Intended Use Cases** The models are intended for commercial and research use in multiple languages. Instruction tuned
text only models are intended for assistant-like chat, whereas pretrained models can be adapted for a variety of natural
language generation tasks.

**Out-of-scope** Use in any manner that violates applicable laws or regulations. Use in any other way that is prohibited
by the Acceptable Use Policy.

## How to use

```python
import transformers
pipeline = transformers.pipeline("text-generation", model=model_id)
```
"""
_META_LIMITS = """
## Ethical Considerations and Limitations

The model may in some instances produce inaccurate, biased or other objectionable responses to user prompts. Therefore,
before deploying any applications, developers should perform safety testing and tuning.
"""
_QWEN3_TAIL = """
## Quickstart

The code of Qwen3 has been in the latest Hugging Face `transformers` and we advise you to use the latest version.

```python
from transformers import AutoModelForCausalLM, AutoTokenizer
model = AutoModelForCausalLM.from_pretrained(model_name, torch_dtype="auto", device_map="auto")
```

## Best Practices

To achieve optimal performance, we recommend `Temperature=0.6`. **DO NOT use greedy decoding**, as it can lead to
performance degradation and endless repetitions. We recommend an output length of 32,768 tokens for most queries.
"""


def _front(**fields: str) -> str:
    lines = "".join(f"{key}: {value}\n" for key, value in fields.items())
    return f"---\n{lines}---\n"


def _gpt(name: str, body: str, **fields: str) -> str:
    return (
        _front(**{"pipeline_tag": "text-generation", "library_name": "transformers", **fields})
        + f"\n# {name}\n\n{body}"
    )


CARDS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "meta-llama/Llama-3.1-405B": (
        _gpt(
            "Llama 3.1",
            """The Meta Llama 3.1 collection of multilingual large language models (LLMs) is a collection of pretrained and
instruction tuned generative models in 8B, 70B and 405B sizes (text in/text out).

**Model Architecture:** Llama 3.1 is an auto-regressive language model that uses an optimized transformer architecture.
"""
            + _META_USES
            + """
## Hardware and Software

**Training Energy Use** Training utilized a cumulative of **39.3M** GPU hours of computation on H100-80GB (TDP of 700W)
type hardware, per the table below.

| | Training Time (GPU hours) | Training Power Consumption (W) |
| --- | --- | --- |
| Llama 3.1 8B | 1.46M | 700 |
| Llama 3.1 70B | 7.0M | 700 |
| Llama 3.1 405B | 30.84M | 700 |
| Total | 39.3M | |

## Training Data

**Overview:** Llama 3.1 was pretrained on ~15 trillion tokens of data from publicly available sources. The fine-tuning
data includes publicly available instruction datasets, as well as over 25M synthetically generated examples. The flagship
model was pre-trained using 3.8 × 10<sup>25</sup> FLOPs.
"""
            + _META_LIMITS,
            license="llama3.1",
        ),
        {"parameters": 4.05e11, "config": {"architectures": ["LlamaForCausalLM"]}},
    ),
    "mistralai/Mistral-Large-Instruct-2407": (
        _front(license="other", license_name="mrl", license_link="https://mistral.ai/licenses/MRL-0.1.md",
               pipeline_tag="text-generation", library_name="vllm")
        + """
# Model Card for Mistral-Large-Instruct-2407

Mistral-Large-Instruct-2407 is an advanced dense Large Language Model (LLM) of 123B parameters with state-of-the-art
reasoning, knowledge and coding capabilities.

## Key features
- **Multi-lingual by design:** Dozens of languages supported.
- **Large Context:** A large 128k context window.

## Usage
```py
from mistral_inference.transformer import Transformer
```

## Limitations
The Mistral Large model is a quick demonstration that the base model can be easily fine-tuned. It does not have any
moderation mechanisms.
""",
        {"parameters": 1.226e11, "config": {"architectures": ["MistralForCausalLM"]}},
    ),
    "deepseek-ai/DeepSeek-V3": (
        _front(library_name="transformers", license="other", license_name="deepseek-license", pipeline_tag="text-generation")
        + """
# DeepSeek-V3

## 1. Introduction

We present DeepSeek-V3, a strong Mixture-of-Experts (MoE) language model with 671B total parameters with 37B activated
for each token. We pre-train DeepSeek-V3 on 14.8 trillion diverse and high-quality tokens, followed by Supervised
Fine-Tuning and Reinforcement Learning stages. Despite its excellent performance, DeepSeek-V3 requires only 2.788M H800
GPU hours for its full training.

## 4. Evaluation Results

| Benchmark | DeepSeek-V2 | Qwen2.5 72B | LLaMA3.1 405B | DeepSeek-V3 |
|---|---|---|---|---|
| # Activated Params | 21B | 72B | 405B | 37B |
| # Total Params | 236B | 72B | 405B | 671B |
| MMLU (EM) | 78.4 | 85.0 | 84.4 | 87.1 |

## 6. How to Run Locally

```shell
torchrun --nnodes 2 --nproc-per-node 8 generate.py
```

## 7. Limitations
The recommended deployment unit is large, which might pose a burden for small teams.
""",
        {
            "parameters": 6.71e11,
            "config": {"architectures": ["DeepseekV3ForCausalLM"], "n_routed_experts": 256, "num_experts_per_tok": 8,
                       "hidden_size": 7168, "moe_intermediate_size": 2048, "num_hidden_layers": 61, "first_k_dense_replace": 3},
        },
    ),
    "moonshotai/Kimi-K2-Instruct": (
        _front(license="other", license_name="modified-mit", library_name="transformers", pipeline_tag="text-generation")
        + """
# Kimi-K2-Instruct

## 1. Model Introduction

Kimi K2 is a state-of-the-art mixture-of-experts (MoE) language model with 32 billion activated parameters and 1 trillion
total parameters. Trained with the Muon optimizer, it achieves exceptional performance across frontier knowledge.

### Key Features
- Large-Scale Training: Pre-trained a 1T parameter MoE model on 15.5T tokens with zero training instability.

## 2. Model Summary

| | |
|:---:|:---:|
| **Architecture** | Mixture-of-Experts (MoE) |
| **Total Parameters** | 1T |
| **Activated Parameters** | 32B |
| **Context Length** | 128K |

## 5. Model Usage

```python
client.chat.completions.create(model=model_name, messages=messages)
```
The model may generate excessive tokens when tools are unclear, a known limitation.
""",
        {"parameters": 1.026e12, "license_texts": ["kimi-k2-modified-mit"],
         "config": {"architectures": ["DeepseekV3ForCausalLM"], "n_routed_experts": 384, "num_experts_per_tok": 8}},
    ),
    "Qwen/Qwen3-235B-A22B": (
        _gpt(
            "Qwen3-235B-A22B",
            """## Qwen3 Highlights

Qwen3 is the latest generation of large language models in Qwen series, pre-trained on approximately **36 trillion
tokens** covering 119 languages.

## Model Overview

**Qwen3-235B-A22B** has the following features:
- Type: Causal Language Models
- Number of Parameters: 235B in total and 22B activated
- Number of Experts: 128
- Number of Activated Experts: 8
- Context Length: 32,768 natively
"""
            + _QWEN3_TAIL,
            license="apache-2.0",
        ),
        {"parameters": 2.35e11, "active": 2.2e10,
         "config": {"architectures": ["Qwen3MoeForCausalLM"], "num_local_experts": 128, "num_experts_per_tok": 8}},
    ),
    "Qwen/Qwen3-0.6B": (
        _gpt(
            "Qwen3-0.6B",
            """## Qwen3 Highlights

Qwen3 is the latest generation of large language models in Qwen series.

## Model Overview

**Qwen3-0.6B** has the following features:
- Type: Causal Language Models
- Training Stage: Pretraining & Post-training, 36万亿 tokens of pretraining data
- Number of Parameters: 0.6B
- Number of Parameters (Non-Embedding): 0.44B
- Context Length: 32,768
"""
            + _QWEN3_TAIL,
            license="apache-2.0",
        ),
        {"parameters": 5.96e8, "config": {"architectures": ["Qwen3ForCausalLM"]}},
    ),
    "Qwen/Qwen2.5-7B": (
        _gpt(
            "Qwen2.5-7B",
            """## Introduction

Qwen2.5 is the latest series of Qwen large language models. We release a number of base language models ranging from 0.5
to 72 billion parameters. The series was pretrained on our large-scale dataset, encompassing up to 18 trillion tokens.

**This repo contains the base 7B Qwen2.5 model**, which has the following features:
- Type: Causal Language Models
- Number of Parameters: 7.61B
- Context Length: Full 131,072 tokens

**We do not recommend using base language models for conversations.** Instead, you can apply post-training.

## Requirements

The code of Qwen2.5 has been in the latest Hugging face `transformers`.
""",
            license="apache-2.0",
        ),
        {"parameters": 7.61e9, "config": {"architectures": ["Qwen2ForCausalLM"]}},
    ),
    "openai/gpt-oss-120b": (
        _front(license="apache-2.0", pipeline_tag="text-generation", library_name="transformers")
        + """
# gpt-oss-120b

Welcome to the gpt-oss series, our open-weight models designed for powerful reasoning, agentic tasks and versatile
developer use cases. `gpt-oss-120b` has 117B parameters with 5.1B active parameters. The training run for gpt-oss-120b
required 2.1 million H100-hours to complete, with gpt-oss-20b needing almost 10x fewer.

## Highlights
- **Permissive Apache 2.0 license:** Build freely. See also USAGE_POLICY.

# Inference examples

```bash
pip install -U transformers kernels torch
```

The models' chain of thought may contain hallucinated content and should not be shown directly to end users.
""",
        {"parameters": 1.168e11, "active": 5.1e9, "files": {"USAGE_POLICY": "We aim for our tools to be used safely."},
         "config": {"architectures": ["GptOssForCausalLM"], "num_local_experts": 128, "num_experts_per_tok": 4}},
    ),
    "meta-llama/Meta-Llama-3-8B": (
        _gpt(
            "Model Details",
            """Meta developed and released the Meta Llama 3 family of large language models (LLMs), a collection of pretrained
and instruction tuned generative text models in 8 and 70B sizes.

| | Params | Context length | GQA | Token count | Knowledge cutoff |
|---|---|---|---|---|---|
| Llama 3 8B | 8B | 8k | Yes | 15T+ | March, 2023 |
| Llama 3 70B | 70B | 8k | Yes | 15T+ | December, 2023 |

**Carbon Footprint** Pretraining utilized a cumulative 7.7M GPU hours of computation on hardware of type H100-80GB.
"""
            + _META_USES
            + _META_LIMITS,
            license="llama3",
        ),
        {"parameters": 8.03e9, "config": {"architectures": ["LlamaForCausalLM"]}},
    ),
    "meta-llama/Llama-3.3-70B-Instruct": (
        _gpt(
            "Model Information",
            """The Meta Llama 3.3 multilingual large language model (LLM) is an instruction tuned generative model in 70B
(text in/text out).

Llama 3.3 was pretrained on ~15 trillion tokens of data from publicly available sources.
"""
            + _META_USES
            + """
## Hardware and Software

**Training Energy Use** Training utilized a cumulative of **39.3**M GPU hours of computation on H100-80GB type hardware.

| | Training Time (GPU hours) | Training Power Consumption (W) |
|---|---|---|
| Llama 3.3 70B | 7.0M | 700 |
"""
            + _META_LIMITS,
            license="llama3.3",
            base_model="meta-llama/Llama-3.1-70B",
        ),
        {"parameters": 7.055e10, "config": {"architectures": ["LlamaForCausalLM"]}},
    ),
    "meta-llama/Llama-4-Scout-17B-16E": (
        _front(license="other", license_name="llama4", pipeline_tag="image-text-to-text", library_name="transformers")
        + """
## Model Information

The Llama 4 collection of models are natively multimodal AI models that enable text and multimodal experiences. These
models leverage a mixture-of-experts architecture. Llama 4 Scout is a 17 billion parameter model with 16 experts.

| Model Name | Training Data | Params | Input modalities | Context length | Token count | Knowledge cutoff |
|---|---|---|---|---|---|---|
| Llama 4 Scout (17Bx16E) | publicly available and licensed data | 17B (Activated) 109B (Total) | text and image | 10M | ~40T | August 2024 |
| Llama 4 Maverick (17Bx128E) | publicly available and licensed data | 17B (Activated) 400B (Total) | text and image | 1M | ~22T | August 2024 |

Llama-4-Scout was pretrained with ~40T tokens, 17B activated parameters.

## Hardware and Software
Model pre-training utilized a cumulative of 7.38M GPU hours on H100-80GB type hardware, 5.0M GPU hours of it for Llama-4-Scout.
"""
        + _META_USES
        + _META_LIMITS,
        {"parameters": 1.09e11, "active": 1.7e10,
         "config": {"architectures": ["Llama4ForConditionalGeneration"], "num_local_experts": 16, "num_experts_per_tok": 1}},
    ),
    "meta-llama/Llama-2-70b-hf": (
        _gpt(
            "Llama 2",
            """Llama 2 is a collection of pretrained and fine-tuned generative text models ranging in scale from 7 billion to
70 billion parameters. This is the repository for the 70B pretrained model.

|| Training Data | Params | Content Length | GQA | Tokens | LR |
|---|---|---|---|---|---|---|
| Llama 2 | A new mix of publicly available online data | 7B | 4k | No | 2.0T | 3.0 x 10^-4 |
| Llama 2 | A new mix of publicly available online data | 70B | 4k | Yes | 2.0T | 1.5 x 10^-4 |

## Hardware and Software

**Carbon Footprint** Pretraining utilized a cumulative 3.3M GPU hours of computation on hardware of type A100-80GB.

| | Time (GPU hours) | Power Consumption (W) |
|---|---|---|
| Llama 2 7B | 184320 | 400 |
| Llama 2 13B | 368640 | 400 |
| Llama 2 70B | 1720320 | 400 |
| Total | 3311616 | |

## Training Data
**Overview** Llama 2 was pretrained on 2 trillion tokens of data from publicly available sources.
"""
            + _META_USES
            + _META_LIMITS,
            license="llama2",
        ),
        {"parameters": 6.9e10, "config": {"architectures": ["LlamaForCausalLM"]}},
    ),
    "mistralai/Mixtral-8x7B-v0.1": (
        _front(license="apache-2.0", pipeline_tag="text-generation", library_name="vllm")
        + """
# Model Card for Mixtral-8x7B

The Mixtral-8x7B Large Language Model (LLM) is a pretrained generative Sparse Mixture of Experts. The Mixtral-8x7B
outperforms Llama 2 70B on most benchmarks we tested.

## Run the model

```python
from transformers import AutoModelForCausalLM
```

## Notice
Mixtral-8x7B is a pretrained base model and therefore does not have any moderation mechanisms.
""",
        {"parameters": 4.67e10, "active": 1.29e10,
         "config": {"architectures": ["MixtralForCausalLM"], "num_local_experts": 8, "num_experts_per_tok": 2}},
    ),
    "EleutherAI/gpt-neox-20b": (
        _gpt(
            "GPT-NeoX-20B",
            """GPT-NeoX-20B is a 20 billion parameter autoregressive language model trained on the Pile. Its architecture
intentionally resembles that of GPT-3.

## Uses and limitations

### Intended use
GPT-NeoX-20B was developed primarily for research purposes. You can use it to extract features.

### Out-of-scope use
GPT-NeoX-20B is **not** intended for deployment as-is.

### Limitations and biases
The core functionality is to take a string of text and predict the next token. It may generate offensive content.

### How to use
```python
model = AutoModelForCausalLM.from_pretrained("EleutherAI/gpt-neox-20b")
```

## Training procedure
The training of the model took roughly 9.3e22 floating point operations.
""",
            license="apache-2.0",
        ),
        {"parameters": 2.0554e10, "config": {"architectures": ["GPTNeoXForCausalLM"]}},
    ),
    "EleutherAI/gpt-j-6b": (
        _gpt(
            "GPT-J 6B",
            """GPT-J 6B is a transformer model trained using Ben Wang's Mesh Transformer JAX.

| Hyperparameter | Value |
|---|---|
| n_parameters | 6053381344 |
| n_layers | 28 |

## Training procedure

This model was trained for 402 billion tokens over 383,500 steps on TPU v3-256 pod.

### Limitations and Biases
GPT-J may produce socially unacceptable text.

### How to use
```python
AutoModelForCausalLM.from_pretrained("EleutherAI/gpt-j-6B")
```
""",
            license="apache-2.0",
        ),
        {"parameters": 6.05e9, "config": {"architectures": ["GPTJForCausalLM"]}},
    ),
    "tiiuae/falcon-180B": (
        _front(license="unknown", pipeline_tag="text-generation", library_name="transformers")
        + """
# Falcon-180B

**Falcon-180B is a 180B parameters causal decoder-only model built by TII and trained on 3,500B tokens of RefinedWeb
enhanced with curated corpora. It is made available under the Falcon-180B TII License.**

## Uses
### Direct Use
Research on large language models; as a foundation for further specialization.
### Out-of-Scope Use
Production use without adequate assessment of risks and mitigation.
## Bias, Risks, and Limitations
Falcon-180B is trained mostly on English, German, Spanish, French.
## How to Get Started with the Model
```python
pipeline = transformers.pipeline("text-generation", model=model)
```
## Training Details
| **Hyperparameter** | **Value** |
|---|---|
| Precision | bfloat16 |
#### Hardware
Falcon-180B was trained on up to 4,096 A100 40GB GPUs, for a total of ~7,000,000 GPU hours.
""",
        {"parameters": 1.795e11, "license_texts": ["falcon-180b"], "config": {"architectures": ["FalconForCausalLM"]}},
    ),
    "tiiuae/falcon-7b": (
        _gpt(
            "Falcon-7B",
            """**Falcon-7B is a 7B parameters causal decoder-only model built by TII and trained on 1,500B tokens of RefinedWeb.**

Looking for an even more powerful model? Falcon-40B is Falcon-7B's big brother, trained on 1,000B tokens.

## Uses
### Direct Use
Research on large language models.
## Bias, Risks, and Limitations
Falcon-7B is trained on English and French data only.
## Training Procedure
Falcon-7B was trained on 384 A100 40GB GPUs. Training happened in early March 2023 and took about two weeks.
""",
            license="apache-2.0",
        ),
        {"parameters": 7.2e9, "config": {"architectures": ["FalconForCausalLM"]}},
    ),
    "allenai/OLMo-7B": (
        _gpt(
            "Model Card for OLMo 7B",
            """OLMo is a series of **O**pen **L**anguage **Mo**dels designed to enable the science of language models. The OLMo
models are trained on the Dolma dataset.

| Size | Training Tokens | Layers | Hidden Size | Context Length |
|------|--------|---------|-------------|-----|
| OLMo 1B | 3 Trillion | 16 | 2048 | 2048 |
| OLMo 7B | 2.5 Trillion | 32 | 4096 | 2048 |

## Uses
```python
olmo = OLMoForCausalLM.from_pretrained("allenai/OLMo-7B")
```
## Bias, Risks, and Limitations
Like any base language model, it is relatively easy for a user to prompt these models to generate harmful content.
""",
            license="apache-2.0",
        ),
        {"parameters": 6.89e9, "config": {"architectures": ["OLMoForCausalLM"]}},
    ),
    "allenai/OLMo-2-0325-32B": (
        _gpt(
            "Model Card for OLMo 2 32B",
            """OLMo 2 32B is the largest model in the OLMo 2 family. In total it took 1.3 · 10^24 FLOPs to train.

## Inference
```python
AutoModelForCausalLM.from_pretrained("allenai/OLMo-2-0325-32B")
```
## Bias, Risks, and Limitations
The model may generate inaccurate statements.
""",
            license="apache-2.0",
        ),
        {"parameters": 3.22e10, "config": {"architectures": ["Olmo2ForCausalLM"]}},
    ),
    "HuggingFaceTB/SmolLM3-3B": (
        _gpt(
            "SmolLM3",
            """SmolLM3 is a 3B parameter language model designed to push the boundaries of small models. It's a fully open model.
The model is a decoder-only transformer, it was pretrained on 11.2T tokens with a staged curriculum of web, code, math.

## How to use
```python
AutoModelForCausalLM.from_pretrained("HuggingFaceTB/SmolLM3-3B")
```
## Training
### Model
- **Architecture:** Transformer decoder
- **Pretraining tokens:** 11T
### Software & hardware
- **GPUs:** 384 H100
## Limitations
SmolLM3 can produce text on a variety of topics, but the generated content may not always be factually accurate.
## EU Summary of Public Content
The EU AI Act requires all GPAI models to provide a Public Summary of Training Content according to a given template.
""",
            license="apache-2.0",
        ),
        {"parameters": 3.08e9, "config": {"architectures": ["SmolLM3ForCausalLM"]}},
    ),
    "microsoft/Phi-3-mini-4k-instruct": (
        _gpt(
            "Phi-3-mini",
            """The Phi-3-Mini-4K-Instruct is a 3.8B parameters, lightweight, state-of-the-art open model.

## Intended Uses
**Primary use cases** The model is intended for commercial and research use in English.
**Use case considerations** Our models are not specifically designed or evaluated for all downstream purposes. Developers
should be aware of applicable laws when using it in high-risk scenarios.

## Responsible AI Considerations
Like other language models, the Phi series models can potentially behave in ways that are unfair or unreliable.

## Training
### Model
- Architecture: Phi-3 Mini-4K-Instruct has 3.8B parameters and is a dense decoder-only Transformer model.
- Context length: 4K tokens
- GPUs: 512 H100-80G
- Training time: 7 days
- Training data: 3.3T tokens
""",
            license="mit",
        ),
        {"parameters": 3.82e9, "config": {"architectures": ["Phi3ForCausalLM"]}},
    ),
    "google/gemma-2-27b": (
        _gpt(
            "Gemma 2 model card",
            """## Description
Gemma is a family of lightweight, state-of-the-art open models from Google. They are text-to-text, decoder-only large
language models.

### Usage
```python
AutoModelForCausalLM.from_pretrained("google/gemma-2-27b")
```
## Model Data
### Training Dataset
These models were trained on a dataset of text data that includes a wide variety of sources. The 27B model was trained
with 13 trillion tokens and the 9B model was trained with 8 trillion tokens.

## Usage and Limitations
LLMs generate responses based on patterns; they may generate incorrect statements.
""",
            license="gemma",
        ),
        {"parameters": 2.72e10, "config": {"architectures": ["Gemma2ForCausalLM"]}},
    ),
    "google/gemma-3-27b-it": (
        _front(license="gemma", pipeline_tag="image-text-to-text", library_name="transformers")
        + """
# Gemma 3 model card

## Model Information
Gemma 3 models are multimodal, handling text and image input and generating text output.

## Model Data
### Training Dataset
The 27B model was trained with 14 trillion tokens, the 12B model was trained with 12 trillion tokens, 4B model was
trained with 4 trillion tokens and 1B with 2 trillion tokens.

## Usage and Limitations
These models have certain limitations that users should be aware of.
""",
        {"parameters": 2.74e10, "config": {"architectures": ["Gemma3ForConditionalGeneration"]}},
    ),
    "ibm-granite/granite-3.1-2b-base": (
        _gpt(
            "Granite-3.1-2B-Base",
            """**Model Summary:** Granite-3.1-2B-Base extends the context length of Granite-3.0-2B-Base.

**Intended Use:** Prominent use cases of LLMs in text-to-text generation include summarization and extraction.

```python
AutoModelForCausalLM.from_pretrained(model_path)
```

**Model Architecture:**

| Model | 2B Dense | 8B Dense | 1B MoE | 3B MoE |
| :--- | :---: | :---: | :---: | :---: |
| Embedding size | 2048 | 4096 | 1024 | 1536 |
| # Parameters | 2.5B | 8.1B | 1.3B | 3.3B |
| # Active parameters | 2.5B | 8.1B | 400M | 800M |
| # Training tokens | 12T | 12T | 10T | 10T |

**Ethical Considerations and Limitations:** The use of Large Language Models involves risks people must be aware of.
""",
            license="apache-2.0",
        ),
        {"parameters": 2.53e9, "config": {"architectures": ["GraniteForCausalLM"]}},
    ),
    "openai-community/gpt2-xl": (
        _gpt(
            "GPT-2 XL",
            """**Model Description:** GPT-2 XL is the **1.5B parameter** version of GPT-2, a transformer-based language model.

## Uses
#### Misuse and Out-of-scope Use
Large-scale language models like GPT-2 do not distinguish fact from fiction.

## Risks, Limitations and Biases
Significant research has explored bias and fairness issues with language models.
""",
            license="mit",
        ),
        {"parameters": 1.56e9, "config": {"architectures": ["GPT2LMHeadModel"]}},
    ),
    "google-bert/bert-large-uncased": (
        _front(license="apache-2.0", pipeline_tag="fill-mask", library_name="transformers", language="en")
        + """
# BERT large model (uncased)

Pretrained model on English language using a masked language modeling (MLM) objective. 336M parameters.

## Intended uses & limitations
You can use the raw model for either masked language modeling or next sentence prediction.

### Pretraining
The model was trained on 4 cloud TPUs in Pod configuration (16 TPU chips total) for one million steps.
""",
        {"parameters": 3.36e8, "config": {"architectures": ["BertForMaskedLM"]}},
    ),
    "bigcode/starcoder2-15b": (
        _gpt(
            "StarCoder2",
            """StarCoder2-15B model is a 15B parameter model trained on 600+ programming languages from The Stack v2.

# Use
## Intended use
The model was trained on GitHub code as well as additional selected data sources. It is not an instruction model.

# Limitations
The generated code is not guaranteed to work as intended.

# Training
## Model
- **Pretraining tokens:** 4+ trillion
- **Compute:** 3.87 x 10²³ FLOPs
""",
            license="bigcode-openrail-m",
        ),
        {"parameters": 1.6e10, "config": {"architectures": ["Starcoder2ForCausalLM"]}},
    ),
    "xai-org/grok-1": (
        _front(license="apache-2.0", pipeline_tag="text-generation")
        + """
# Grok-1

This repository contains the weights of the Grok-1 open-weights model.
""",
        {"parameters": 3.14e11},
    ),
    "openGPT-X/Teuken-7B-instruct-research-v0.4": (
        _gpt(
            "Model Card for Teuken-7B-instruct-research-v0.4",
            """Teuken-7B-instruct-research-v0.4 ist ein Sprachmodell (Large Language Model), vortrainiert mit 4 Billionen Token.

### Model Description
- **License:** research purposes only

## Uses
Teuken-7B-instruct-research-v0.4 is intended for research use in all official 24 European languages.

## Bias, Risks, and Limitations
The model is not free from biases and hallucinations.
""",
            license="other",
            language="[de, en]",
        ),
        {"parameters": 7.45e9, "config": {"architectures": ["LlamaForCausalLM"]}},
    ),
    "CompVis/stable-diffusion-v1-4": (
        _front(license="creativeml-openrail-m", library_name="diffusers", pipeline_tag="text-to-image")
        + """
# Stable Diffusion v1-4 Model Card

Stable Diffusion is a latent text-to-image diffusion model capable of generating photo-realistic images given any text.

# Uses
## Misuse, Malicious Use, and Out-of-Scope Use
The model should not be used to intentionally create images that are hostile, such as sexual content without consent of
the people who might see it.

## Limitations and Bias
The model does not achieve perfect photorealism.

## Environmental Impact
- **Hardware Type:** A100 PCIe 40GB
- **Hours used:** 150000
- **Cloud Provider:** AWS
""",
        {"parameters": 1.06e9, "config": {"_class_name": "StableDiffusionPipeline"}},
    ),
    "stabilityai/stable-diffusion-xl-base-1.0": (
        _front(license="openrail++", library_name="diffusers", pipeline_tag="text-to-image")
        + """
# SD-XL 1.0-base Model Card

SDXL consists of an ensemble of experts pipeline for latent diffusion.

## Uses
### Direct Use
The model is intended for research purposes only. Possible research areas include generation of artworks.

## Limitations and Bias
The model does not achieve perfect photorealism.
""",
        {"parameters": 3.47e9, "config": {"_class_name": "StableDiffusionXLPipeline"}},
    ),
    "black-forest-labs/FLUX.1-dev": (
        _front(license="other", license_name="flux-1-dev-non-commercial-license", license_link="LICENSE.md",
               pipeline_tag="text-to-image", library_name="diffusers")
        + """
# FLUX.1 [dev]

`FLUX.1 [dev]` is a 12 billion parameter rectified flow transformer capable of generating images from text descriptions.

# Limitations
- This model is not intended or able to provide factual information.
""",
        {"parameters": 1.19e10, "config": {"_class_name": "FluxPipeline"}},
    ),
    "tencent/HunyuanVideo": (
        _front(license="other", license_name="tencent-hunyuan-community", license_link="LICENSE", pipeline_tag="text-to-video")
        + """
# HunyuanVideo: A Systematic Framework For Large Video Generation Model

We present HunyuanVideo, a novel open-source video foundation model with over 13 billion parameters.

## Requirements
The minimum GPU memory required is 60GB for 720px1280px129f. We recommend a GPU with 80GB of memory.
""",
        {"parameters": 1.3e10},
    ),
    "openai/whisper-large-v2": (
        _front(license="apache-2.0", pipeline_tag="automatic-speech-recognition")
        + """
# Whisper

Whisper is a pre-trained model for automatic speech recognition (ASR) and speech translation. Trained on 680k hours of
labelled data, Whisper models demonstrate a strong ability to generalise. The large-v2 model has 1550 M parameters.

## Performance and Limitations
Predictions may include texts that are not actually spoken in the audio input (i.e. hallucination).
""",
        {"parameters": 1.54e9, "config": {"architectures": ["WhisperForConditionalGeneration"]}},
    ),
    "facebook/dinov2-giant": (
        _front(license="apache-2.0", pipeline_tag="image-feature-extraction", library_name="transformers")
        + """
# Vision Transformer (giant-sized model) trained using DINOv2

The Vision Transformer (ViT) is a transformer encoder model pretrained on a large collection of images.

## Intended uses & limitations
You can use the raw model for feature extraction.
""",
        {"parameters": 1.14e9, "config": {"architectures": ["Dinov2Model"]}},
    ),
}  # fmt: skip
"""Card and the other arguments of `model_cases.model`, by model id."""
