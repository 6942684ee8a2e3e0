"""``rankkit serve`` and ``install``: rankers for other machines, and rankers in environments of their own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from rankkit.cli.console import print_result, say
from rankkit.cli.program import complete_ranker, program


@program.command()
def serve(
    spec: Annotated[
        str,
        typer.Argument(
            metavar="SPEC",
            autocompletion=complete_ranker,
            help="The ranker to serve, as after -r; it is looked for in this environment only.",
        ),
    ],
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port to listen on; 0 takes any that is free.")
    ] = 8085,
    host: Annotated[
        str, typer.Option(help="The address to listen on; others than this machine need a token.")
    ] = "127.0.0.1",
    token_file: Annotated[
        Path | None, typer.Option(help="A file with the bearer token clients must send.")
    ] = None,
    token_env: Annotated[
        str | None, typer.Option(help="The environment variable with the bearer token clients must send.")
    ] = None,
    max_body: Annotated[int, typer.Option(min=1, metavar="MIB", help="The largest request, in MiB.")] = 512,
    timeout: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            metavar="SECONDS",
            show_default=False,
            help="How long a call of the ranker may take: while one takes longer, who asks is told so (503).",
        ),
    ] = None,
) -> None:
    """Serve a ranker over HTTP: for `-r http://HOST:PORT`, and in JSON for other programs. Ctrl-C ends it."""
    from rankkit.serving import http

    token = http.token_from(token_file, token_env)
    limit = max_body * 2**20
    http.serve(spec, host=host, port=port, token=token, limit=limit, timeout=timeout, say=say)


@program.command()
def install(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="A ranker that calls an original package, such as imagereward-official."
        ),
    ],
    plugin: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The plugin's folder, if it is not installed here.")
    ] = None,
    python: Annotated[
        str,
        typer.Option(
            metavar="PYTHON",
            show_default=False,
            help="The interpreter of the environment; this one if not given.",
        ),
    ] = sys.executable,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing environment.")] = False,
) -> None:
    """Make an environment of its own for a ranker, and add it to the names for `-r`."""
    from rankkit.environments import install as environments

    print_result(str(environments.install(name, plugin=plugin, python=python, force=force, say=say)))
