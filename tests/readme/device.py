"""The commands of whoever makes a device: its keys, its provisioning, tokens for it."""

from __future__ import annotations

import json

from peers import token
from recipe import shows
from serving import METADATA, ISSUER
from stage import Stage, expect

DEVICE = "http://127.0.0.1:8080/mcp"


@shows(r"portcullis key new --out master\.key")
def master_key(stage: Stage, command: str) -> None:
    stage.run(command)
    stage.never_overwritten(command, "master.key")


@shows(rf"portcullis key derive --master-key master\.key --resource {DEVICE} --provisioning --issuer {ISSUER} --out device\.json")
def provisioning(stage: Stage, command: str) -> None:
    stage.run(command)
    stage.never_overwritten(command, "device.json")
    document = json.loads((stage.work / "device.json").read_text())
    expect((document["resource"], document["issuer"]) == (DEVICE, ISSUER), document)
    said = json.loads(stage.run(command.replace("device.json", "other.json") + " --json").out)
    expect(said, "JSON is printed")


@shows(r"portcullis demo --device device\.json --master-key master\.key")
def device_demo(stage: Stage, command: str) -> None:
    stage.serve(command, METADATA)
    granted = token(ISSUER, DEVICE, "device:read")
    stage.run("portcullis token verify - --provisioning device.json --scope device:read", typed=granted)
    stage.run("portcullis token verify - --provisioning device.json --scope device:keys", typed=granted, status=1)


@shows(r"portcullis token mint --provisioning device\.json .+ \| portcullis token verify - .+")
def mint_and_verify(stage: Stage, command: str) -> None:
    stage.run(command)
    stage.run(command.replace("--scope device:read", "--scope device:keys"), status=1)
    stage.run(command.replace("verify - --provisioning device.json", "verify - --provisioning none.json"), status=2)
    mint, _, _ = command.partition("|")
    expect("device:read" in stage.run(f"{mint} | portcullis token inspect -").out, "inspect shows the scopes")
