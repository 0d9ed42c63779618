"""The commands of whoever makes the authorization server a service, below a folder in place of the machine's root."""

from __future__ import annotations

import os

from recipe import shows
from serving import ALICE, PASSWORD
from stage import Stage, expect


@shows(r"install -d -o root -g portcullis -m 0750 /etc/portcullis")
def configuration_folder(stage: Stage, command: str) -> None:
    (stage.work / "etc").mkdir()
    owned = command.replace("-o root -g portcullis", f"-o {os.getuid()} -g {os.getgid()}")
    stage.run(owned.replace("/etc/", "etc/"))
    stage.mode("etc/portcullis", 0o750)


@shows(r"editor /etc/portcullis/portcullis\.toml")
def edit_configuration(stage: Stage, command: str) -> None:
    path = stage.work / "etc" / "portcullis" / "portcullis.toml"
    text = path.read_text()
    for key in ("issuer", "listen", "data", "[tls]"):
        expect(f"\n#{key}" in text, f"{key} is there to be edited")
    data = stage.work / "var"
    path.write_text(text.replace('#data = "portcullis-data"', f'data = "{data}"').replace("portcullis-data/", f"{data}/"))


@shows(r"install -m 0644 portcullis\.service /etc/systemd/system/")
def unit(stage: Stage, command: str) -> None:
    (stage.work / "etc" / "systemd" / "system").mkdir(parents=True)
    folder = stage.root / "examples" / "authorization_server"
    stage.run(command.replace("portcullis.service", str(folder / "portcullis.service")).replace("/etc/", "etc/"))
    said = (stage.work / "etc" / "systemd" / "system" / "portcullis.service").read_text()
    expect("--config /etc/portcullis/portcullis.toml" in said, "it reads the configuration that was made")


@shows(r"runuser -u portcullis -- portcullis .+ --config /etc/portcullis/portcullis\.toml")
def administration(stage: Stage, command: str) -> None:
    here = command.removeprefix("runuser -u portcullis -- ").replace("/etc/", "etc/")
    stage.run(here, typed=PASSWORD + "\n")
    if "user add" in here:
        expect(ALICE in stage.run(here.replace(f"add {ALICE}", "list")).out, "the user is listed")
