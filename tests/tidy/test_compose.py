"""docker-compose.yml, the Dockerfile and what lies beside them agree with each other and with the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer
from pydantic import ValidationError

from mintql.cli import app
from mintql.settings import Settings
from support.compose import compose, filled, made_variables, required_variables
from support.repository import ROOT

COMPOSE = compose()
SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "mintql:local"}
DOCKERFILE = (ROOT / "Dockerfile").read_text()
CADDYFILE = (ROOT / "deploy" / "Caddyfile").read_text()
COMMANDS = typer.main.get_command(app).commands


def test_everything_is_there_the_api_twice_and_a_worker_for_each_queue():
    assert set(SERVICES) == {
        "proxy", "api-1", "api-2", "worker", "background", "migrate", "sandbox", "postgres", "valkey", "objects"
    }  # fmt: skip
    assert SERVICES["api-1"] == SERVICES["api-2"]
    commands = {name: SERVICES[name]["command"] for name in ("worker", "background")}
    assert commands == {"worker": ["worker", "--only", "persons"], "background": ["worker", "--only", "background"]}
    assert SERVICES["worker"] | {"command": []} == SERVICES["background"] | {"command": []}
    assert [name for name, service in SERVICES.items() if service.get("profiles")] == ["sandbox"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_restarted_and_watched(name):
    service = SERVICES[name]
    tag = service["image"].partition(":")[2]
    assert tag
    assert tag != "latest"
    assert service["restart"] in ("unless-stopped", "on-failure")
    if name != "migrate":
        assert {"test", "interval", "timeout", "retries"} <= set(service["healthcheck"])


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_waits_for_services_that_can_become_what_it_waits_for(name):
    for other, wait in SERVICES[name].get("depends_on", {}).items():
        assert other in SERVICES
        if wait["condition"] == "service_completed_successfully":
            assert SERVICES[other]["restart"] == "on-failure"
        else:
            assert wait["condition"] == "service_healthy"
            assert "test" in SERVICES[other]["healthcheck"]


@pytest.mark.parametrize("name", OURS)
def test_our_containers_are_locked_down(name):
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "user" not in service
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.MULTILINE)


@pytest.mark.parametrize("name", OURS)
def test_a_command_of_ours_is_one_the_command_line_takes(name):
    command, *options = OURS[name]["command"]
    COMMANDS[command].make_context(command, options)


def test_the_image_starts_a_command_the_command_line_takes():
    assert json.loads(re.search(r"^ENTRYPOINT (.*)$", DOCKERFILE, re.MULTILINE)[1]) == ["mintql"]
    command, *options = json.loads(re.search(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)[1])
    assert [command, *options] == SERVICES["api-1"]["command"]
    COMMANDS[command].make_context(command, options)


def test_nothing_starts_without_its_secrets_and_the_script_makes_all_of_them():
    made = made_variables()
    assert set(made) == required_variables()
    assert all(len(value) >= 20 for value in made.values())
    assert made_variables() != made


def test_our_variables_are_settings_and_make_settings_for_production():
    made = made_variables()
    given = SERVICES["worker"]["environment"]
    known = {f"MINTQL_{name.upper()}" for name in Settings.model_fields} | {"DATABASE_URL", "REDIS_URL"}
    assert {name for name in given if not name.startswith("AWS_")} <= known
    values = {name.removeprefix("MINTQL_").lower(): filled(value, made) for name, value in given.items() if value}
    for name in ("database_url", "redis_url"):
        values[name.upper()] = values.pop(name)
    settings = Settings(**values)
    assert settings.environment == "production"
    assert settings.object_store == "s3://mintql"
    with pytest.raises(ValidationError, match="MINTQL_SECRET_KEYS"):
        Settings(**{**values, "secret_keys": Settings.model_fields["secret_keys"].default})


def test_no_secret_stands_in_a_file_or_in_the_image():
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if re.search("SECRET|PASSWORD|KEY", variable):
                assert re.fullmatch(r"\$\{\w+:\?.+\}", value), f"{name}: {variable}"
    assert not re.search(r"^(ENV|ARG) .*(SECRET|PASSWORD|KEY|TOKEN)", DOCKERFILE, re.MULTILINE)


def test_only_the_proxy_can_be_reached_from_outside():
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
    assert COMPOSE["networks"]["data"]["internal"] is True
    for name in ("postgres", "valkey", "objects", "sandbox"):
        assert SERVICES[name]["networks"] == ["data"]


def test_the_proxy_knows_both_apis_and_asks_them_for_a_page_they_have():
    from mintql.app import create_app  # noqa: PLC0415 - only this test needs all of the API

    assert re.search(r"reverse_proxy api-1:8000 api-2:8000 ", CADDYFILE)
    paths = {route.path for route in create_app().routes}
    assert {re.search(r"health_uri (\S+)", CADDYFILE)[1], "/livez", "/graphql"} <= paths
    assert CADDYFILE.count("{") == CADDYFILE.count("}")


def test_mounted_files_exist_and_named_volumes_are_declared():
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (ROOT / source).is_file() if source.startswith(".") else source in COMPOSE["volumes"]


def test_the_image_is_built_from_hashes_and_from_files_that_are_sent_to_the_builder():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    sent = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = {
        word for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE) for word in line.split()
    }
    assert copied == sent
    assert all(Path(ROOT, name).exists() for name in sent)
    installs = re.findall(r"(?:uv )?pip (?:install|sync) .*", DOCKERFILE)
    assert len(installs) == 4
    for line in installs:
        assert "--require-hashes" in line or "--constraint requirements.lock" in line or "--no-deps dist" in line
