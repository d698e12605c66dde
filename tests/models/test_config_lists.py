"""AutoGen's lists of configurations: read from where they are, filtered, and never shown where they hold keys."""

import json
from pathlib import Path
from typing import Any

import pytest

from convgraph.errors import ModelConfigError
from convgraph.models.config import model_from_config
from convgraph.models.config_lists import (
    config_list_from_dotenv,
    config_list_from_json,
    config_list_from_models,
    filter_config,
    get_config_list,
)

CONFIGS = [
    {"model": "gpt-5.5", "api_key": "1", "tags": ["fast", "cheap"]},
    {"model": "gpt-5.5-mini", "api_key": "2", "tags": ["cheap"]},
    {"model": "local", "base_url": "http://localhost:1"},
]


def models(configs: list[dict[str, Any]]) -> list[str]:
    return [config["model"] for config in configs]


def test_a_config_list_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "OAI_CONFIG_LIST").write_text(json.dumps(CONFIGS))

    assert config_list_from_json("OAI_CONFIG_LIST", file_location=tmp_path) == CONFIGS
    assert models(config_list_from_json("OAI_CONFIG_LIST", str(tmp_path), {"model": ["local"]})) == ["local"]


def test_a_config_list_is_read_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable holds the list itself, or says where it is."""
    monkeypatch.setenv("MY_MODELS", json.dumps(CONFIGS))
    assert config_list_from_json("MY_MODELS") == CONFIGS

    file = tmp_path / "models.json"
    file.write_text(json.dumps(CONFIGS[:1]))
    monkeypatch.setenv("MY_MODELS", str(file))
    assert config_list_from_json("MY_MODELS") == CONFIGS[:1]


@pytest.mark.parametrize(("content", "told"), [("{oops", "does not hold JSON"), ("{}", "list of objects"), ("[1]", "list of objects")])
def test_a_config_list_that_is_none_is_refused(content: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_MODELS", content)
    with pytest.raises(ModelConfigError, match=told):
        config_list_from_json("MY_MODELS")


def test_a_config_list_that_is_nowhere_names_both_places(tmp_path: Path) -> None:
    with pytest.raises(ModelConfigError, match="environment variable 'NOPE' nor a file"):
        config_list_from_json("NOPE", tmp_path)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (None, ["gpt-5.5", "gpt-5.5-mini", "local"]),
        ({}, ["gpt-5.5", "gpt-5.5-mini", "local"]),
        ({"model": "gpt-5.5"}, ["gpt-5.5"]),
        ({"model": ["gpt-5.5", "local"]}, ["gpt-5.5", "local"]),
        ({"model": "gpt"}, []),
        ({"tags": ["cheap"]}, ["gpt-5.5", "gpt-5.5-mini"]),
        ({"tags": "fast"}, ["gpt-5.5"]),
        ({"tags": ["fast", "cheap"], "model": ["gpt-5.5-mini"]}, ["gpt-5.5-mini"]),
        ({"tags": [None]}, ["local"]),
        ({"api_key": "3"}, []),
    ],
)
def test_a_filter_takes_equal_values_or_common_ones_and_its_opposite_the_rest(wanted: dict[str, Any] | None, found: list[str]) -> None:
    assert models(filter_config(CONFIGS, wanted)) == found
    if wanted:
        assert models(filter_config(CONFIGS, wanted, exclude=True)) == [name for name in models(CONFIGS) if name not in found]


def test_a_filter_gives_copies() -> None:
    filter_config(CONFIGS, None)[0]["api_key"] = "changed"
    assert CONFIGS[0]["api_key"] == "1"


@pytest.mark.parametrize("value", ["sk-secret-0123", "sk-secret/with/slashes", "sk-secret" * 500])
def test_a_key_in_the_place_of_a_list_is_not_shown(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_MODELS", value)
    with pytest.raises(ModelConfigError, match="'MY_MODELS' names cannot be read") as caught:
        config_list_from_json("MY_MODELS")

    assert "sk-secret" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_damaged_list_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_MODELS", '[{"model": "m", "api_key": "sk-secret" oops}]')
    with pytest.raises(ModelConfigError, match="does not hold JSON") as caught:
        config_list_from_json("MY_MODELS")

    assert "sk-secret" not in str(caught.value)


def test_several_models_share_a_key_that_is_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key_openai.txt").write_text("sk-1\n")

    assert config_list_from_models(tmp_path, model_list=["a", "b"]) == [
        {"model": "a", "api_key": "sk-1"},
        {"model": "b", "api_key": "sk-1"},
    ]
    assert config_list_from_models(tmp_path, "other.txt", model_list=["a"]) == [{"model": "a"}]
    with pytest.raises(ModelConfigError, match="list of models"):
        config_list_from_models(model_list="gpt-5.5")


def test_keys_are_read_from_a_dotenv_file_and_then_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    file.write_text("# keys\nexport OPENAI_API_KEY=sk-1 # mine\nOTHER_KEY='sk # 2'\nEMPTY=\nnonsense\n")
    monkeypatch.setenv("OTHER_KEY", "not this one")
    monkeypatch.setenv("THIRD_KEY", "sk-3")
    wanted = {
        "a": "OPENAI_API_KEY",
        "b": {"api_key_env_var": "OTHER_KEY", "base_url": "http://x/v1"},
        "c": "THIRD_KEY",
        "d": {"tags": ["x"]},
    }

    assert config_list_from_dotenv(file, model_api_key_map=wanted) == [
        {"model": "a", "api_key": "sk-1"},
        {"model": "b", "api_key": "sk # 2", "base_url": "http://x/v1"},
        {"model": "c", "api_key": "sk-3"},
        {"model": "d", "api_key": "sk-1", "tags": ["x"]},
    ]
    assert models(config_list_from_dotenv(file, model_api_key_map=wanted, filter_dict={"tags": "x"})) == ["d"]


def test_a_key_that_is_nowhere_is_missed_by_its_name(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("EMPTY_KEY=\nSECRET=sk-secret\n")
    with pytest.raises(ModelConfigError, match="'EMPTY_KEY'") as caught:
        config_list_from_dotenv(tmp_path / ".env", model_api_key_map={"m": "EMPTY_KEY"})
    assert "sk-secret" not in str(caught.value)
    with pytest.raises(ModelConfigError, match="cannot be read"):
        config_list_from_dotenv(tmp_path / "nothing", model_api_key_map={"m": "EMPTY_KEY"})


def test_several_keys_make_several_configurations_of_one_model() -> None:
    configs = get_config_list(["k1", "k2"], ["http://a/v1", "http://b/v1"], api_type="openai")

    assert configs == [
        {"api_key": "k1", "base_url": "http://a/v1", "api_type": "openai"},
        {"api_key": "k2", "base_url": "http://b/v1", "api_type": "openai"},
    ]
    assert get_config_list(["k"]) == [{"api_key": "k"}]
    assert model_from_config({"config_list": configs, "model": "m"}).name == "m"
    with pytest.raises(ModelConfigError, match="one for each key"):
        get_config_list(["k1", "k2"], ["http://a/v1"])
