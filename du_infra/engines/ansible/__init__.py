"""Ansible: run one of du-infra's playbooks on the nodes of a region."""

from __future__ import annotations

from du_infra.engines.ansible.events import HostStats
from du_infra.engines.ansible.run import Outcome, run_playbook

__all__ = ["HostStats", "Outcome", "run_playbook"]
