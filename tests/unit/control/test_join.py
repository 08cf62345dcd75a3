"""The end of a node's first boot is read from what cloud-init leaves."""

from __future__ import annotations

from du_infra.control.join import first_boot_errors, greets

GOOD = '{"v1": {"datasource": "DataSourceLXD", "errors": []}}'
BAD = '{"v1": {"datasource": null, "errors": ["(\'ssh\', KeyError())"]}}'


def test_a_first_boot_without_errors_is_good() -> None:
    assert first_boot_errors(GOOD) == []


def test_what_went_wrong_in_a_first_boot_is_told() -> None:
    assert first_boot_errors(BAD) == ["('ssh', KeyError())"]


def test_where_nothing_listens_nothing_greets() -> None:
    assert greets("127.255.0.1") is False
