"""The programs that write prompts into their images, each with an example."""

from __future__ import annotations

from file_pages import Page, Texts

NEGATIVE = "Negative prompt: blurry"
SETTINGS = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512"


def graph(text: object) -> dict[str, object]:
    """ComfyUI's graph of the usual seven nodes, with this text for the sampler's positive input."""
    return {
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "model.safetensors"}},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 512, "batch_size": 1}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": text, "clip": ["4", 1]}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry, text", "clip": ["4", 1]}},
        "3": {
            "class_type": "KSampler",
            "inputs": {
                "seed": 1,
                "steps": 20,
                "cfg": 7.0,
                "sampler_name": "euler",
                "scheduler": "normal",
                "denoise": 1.0,
                "model": ["4", 0],
                "positive": ["6", 0],
                "negative": ["7", 0],
                "latent_image": ["5", 0],
            },
        },
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "ComfyUI", "images": ["8", 0]}},
    }


PROGRAMS = {
    "a1111": Page(
        "A1111, Forge, SD.Next",
        "embedded.a1111",
        {
            "00001.png": Texts(
                {"parameters": f"a red robot (on a hill:1.2) <lora:detail:0.8>\n{NEGATIVE}\n{SETTINGS}"}
            ),
            "00002.jpg": Texts({"UserComment": f"a blue robot\n{SETTINGS}"}),
        },
        {
            "A text that has neither a negative prompt nor settings": {
                "holiday.jpg": Texts({"UserComment": "us at the beach, 2019"})
            },
            "A program wrote that it did not know the prompt": {
                "saved.png": Texts({"parameters": f"undefined\n{NEGATIVE}\n{SETTINGS}"})
            },
        },
    ),
    "comfyui": Page(
        "ComfyUI",
        "embedded.comfyui",
        {"ComfyUI_00001_.png": Texts({"prompt": graph("a red robot on a hill, (sunset:1.2)")})},
        {
            "Only the canvas is stored, which does not tell what ran": {
                "ComfyUI_00002_.png": Texts({"workflow": {"nodes": [], "links": [], "version": 0.4}})
            },
            "The text came out of a node that is not known": {
                "ComfyUI_00003_.png": Texts(
                    {
                        "prompt": {
                            **graph(["10", 0]),
                            "10": {
                                "class_type": "AskALanguageModel",
                                "inputs": {"instruction": "describe a robot", "style": "noir"},
                            },
                        }
                    }
                )
            },
        },
    ),
    "swarmui": Page(
        "SwarmUI",
        "embedded.swarmui",
        {
            "1234.png": Texts(
                {
                    "parameters": {
                        "sui_image_params": {
                            "prompt": "a red robot on a hill <segment:face> a kind face",
                            "negativeprompt": "blurry",
                            "steps": 20,
                        }
                    }
                }
            )
        },
        {
            "The prompt is a template, and what was drawn from it stands nowhere": {
                "1235.png": Texts(
                    {"parameters": {"sui_image_params": {"prompt": "a <random:red,blue> robot", "steps": 20}}}
                )
            }
        },
    ),
    "fooocus": Page(
        "Fooocus",
        "embedded.fooocus",
        {
            "2024-01-01.png": Texts(
                {
                    "parameters": {
                        "prompt": "a red robot on a hill",
                        "full_prompt": ["cinematic still a red robot on a hill . emotional"],
                        "negative_prompt": "blurry",
                        "styles": "['Fooocus V2']",
                        "base_model": "model",
                    }
                }
            )
        },
        {
            "Its prompt is not a text": {
                "2024-01-02.png": Texts(
                    {"parameters": {"prompt": ["a robot"], "full_prompt": [], "base_model": "model"}}
                )
            }
        },
    ),
    "invokeai": Page(
        "InvokeAI",
        "embedded.invokeai",
        {
            "version-3.png": Texts(
                {
                    "invokeai_metadata": {
                        "positive_prompt": "a red robot on a hill",
                        "positive_style_prompt": "noir",
                        "negative_prompt": "blurry",
                    }
                }
            ),
            "version-2.png": Texts(
                {"sd-metadata": {"image": {"prompt": [{"prompt": "a red robot [blurry]", "weight": 1}]}}}
            ),
            "version-1.png": Texts({"Dream": '"a red robot [blurry]" -s 20 -S 1'}),
        },
        {
            "The metadata of another task, without a prompt": {
                "upscaled.png": Texts(
                    {"invokeai_metadata": {"app_version": "3.0.0", "generation_mode": "upscale"}}
                )
            }
        },
    ),
    "novelai": Page(
        "NovelAI",
        "embedded.novelai",
        {
            "version-3.png": Texts(
                {
                    "Software": "NovelAI",
                    "Description": "a red robot, {{hill}}",
                    "Comment": {"prompt": "a red robot, {{hill}}", "uc": "blurry", "steps": 28},
                }
            ),
            "version-4.png": Texts(
                {
                    "Software": "NovelAI",
                    "Comment": {
                        "prompt": "two robots",
                        "uc": "blurry",
                        "v4_prompt": {
                            "caption": {
                                "base_caption": "two robots on a hill",
                                "char_captions": [
                                    {"char_caption": "a red robot"},
                                    {"char_caption": "a blue robot"},
                                ],
                            }
                        },
                    },
                }
            ),
        },
        {
            "Its comment has no prompt": {
                "enhanced.png": Texts({"Software": "NovelAI", "Comment": {"uc": "blurry", "steps": 28}})
            }
        },
    ),
    "drawthings": Page(
        "Draw Things",
        "embedded.drawthings",
        {
            "a_red_robot.jpg": Texts(
                {
                    "UserComment": {
                        "c": "a red robot on a hill",
                        "uc": "blurry",
                        "sampler": "Euler a",
                        "steps": 20,
                    }
                }
            )
        },
        {
            "Its prompt is not a text": {
                "other.jpg": Texts({"UserComment": {"c": 7, "uc": "blurry", "sampler": "Euler a"}})
            }
        },
    ),
    "easydiffusion": Page(
        "Easy Diffusion",
        "embedded.easydiffusion",
        {
            "robot_1.png": Texts(
                {"prompt": "a red robot on a hill", "negative_prompt": "blurry", "num_inference_steps": "20"}
            ),
            "robot_2.jpg": Texts(
                {"UserComment": {"Prompt": "a blue robot", "Sampler": "euler", "Steps": 20}}
            ),
        },
        {
            "A text that is called so, without any setting of the program": {
                "other.jpg": Texts({"UserComment": {"Prompt": "what shall we paint today?"}})
            }
        },
    ),
    "midjourney": Page(
        "Midjourney",
        "embedded.midjourney",
        {
            "robot.png": Texts(
                {
                    "Description": "a red robot on a hill, film grain::2 text::-1 --ar 3:2 --v 6.0 "
                    "Job ID: 5b1d1b1c-aaaa-4bbb-8ccc-1234567890ab"
                }
            )
        },
        {
            "A description without the job's id, which anybody may have written": {
                "photo.png": Texts({"Description": "our garden in May --v 6"})
            }
        },
    ),
    "mochi": Page(
        "Mochi Diffusion",
        "embedded.mochi",
        {
            "robot.png": Texts(
                {
                    "XML:com.adobe.xmp": "<dc:description><rdf:li>Include in Image: a red robot on a hill; "
                    "Exclude from Image: blurry; Model: sd; Steps: 20; Generator: Mochi Diffusion 5.1"
                    "</rdf:li></dc:description>"
                }
            )
        },
        {
            "A description that another program wrote": {
                "photo.png": Texts(
                    {"XML:com.adobe.xmp": "<dc:description>our garden in May</dc:description>"}
                )
            }
        },
    ),
    "tensorart": Page(
        "Tensor.Art",
        "embedded.tensorart",
        {
            "robot.png": Texts(
                {
                    "generation_data": {
                        "prompt": "a red robot on a hill",
                        "negativePrompt": "blurry",
                        "baseModel": {"label": "model"},
                    }
                }
            )
        },
        {"JSON of another site": {"photo.png": Texts({"generation_data": {"prompt": "our garden"}})}},
    ),
}
