"""The parts of the generator, untrained: autoencoder, U-Net, text encoder, tokenizer."""

from __future__ import annotations

import itertools

import torch
from diffusers import AutoencoderTiny, EulerDiscreteScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from drpo.shapes.world import TASKS, every_prompt

WIDTH = 48  # channels of the U-Net

TOKENS = 12  # of the longest prompt, with start and end


def new_autoencoder() -> AutoencoderTiny:
    """32×32 pixels to 16 channels of 4×4; 0.2 M weights."""
    return AutoencoderTiny(
        encoder_block_out_channels=(24,) * 4, decoder_block_out_channels=(24,) * 4, latent_channels=16,
        num_encoder_blocks=(1,) * 4, num_decoder_blocks=(1,) * 4,
    )  # fmt: skip


def new_unet() -> UNet2DConditionModel:
    """4×4 and 2×2 with attention throughout, 2.4 M weights. At 2×2 each place is one of the four corners
    objects stand in.

    Its first convolution sees the whole latent, and its filters start as channel means, what the corpus
    decides by: in every group that is normalised together two of them, each with its opposite, and a
    constant. Without such a start the network needs several times as long to find out that the noise means
    anything.
    """
    unet = UNet2DConditionModel(
        sample_size=4,
        in_channels=16,
        out_channels=16,
        layers_per_block=1,
        block_out_channels=(WIDTH, 2 * WIDTH),
        norm_num_groups=8,
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        conv_in_kernel=7,
        cross_attention_dim=64,
        attention_head_dim=4,
    )
    with torch.no_grad():
        filters, constants = unet.conv_in.weight.zero_(), unet.conv_in.bias.zero_()
        for group, means in enumerate(
            itertools.islice(itertools.cycle(itertools.combinations(range(5), 2)), 8)
        ):
            first = group * WIDTH // 8
            for i, (channel, sign) in enumerate(itertools.product(means, (0.25, -0.25))):
                filters[first + i, channel] = sign
            constants[first + 4], constants[first + 5] = 1, -1
    return unet


def new_pipeline(vae: AutoencoderTiny) -> StableDiffusionPipeline:
    """The autoencoder with an untrained text encoder and U-Net, and the scheduler that makes one step of
    them.
    """
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1,
        prediction_type="sample", timestep_spacing="trailing",
    )  # fmt: skip
    tokenizer = new_tokenizer()
    text = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=TOKENS,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
        projection_dim=64,
    )
    parts = vae, CLIPTextModel(text), tokenizer, new_unet(), scheduler
    return StableDiffusionPipeline(
        *parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )


def new_tokenizer() -> CLIPTokenizer:
    """A CLIP tokenizer in which each word of the world is one token, the same in every run.

    Every word is put together letter by letter, long words first, so that no short one ("and") breaks into a
    longer ("triangle").
    """
    words = sorted(
        {word for task in TASKS for prompt in every_prompt(task) for word in prompt.split()},
        key=lambda word: (-len(word), word),
    )
    spelt = [[*word[:-1], word[-1] + "</w>"] for word in words]
    merges = list(
        dict.fromkeys(("".join(letters[:i]), letters[i]) for letters in spelt for i in range(1, len(letters)))
    )
    tokens = [
        "<|startoftext|>",
        "<|endoftext|>",
        *sorted({letter for letters in spelt for letter in letters}),
        *map("".join, merges),
    ]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = CLIPTokenizer(
        vocab=vocabulary, merges=merges, model_max_length=TOKENS, pad_token=tokens[1], unk_token=tokens[1]
    )
    assert all(len(tokenizer(word).input_ids) == 3 for word in words), (
        "each word is one token between start and end"
    )
    return tokenizer
