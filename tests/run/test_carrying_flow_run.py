"""What Prefect is told of the flow run that carries a run; its beginning and its end are in `tests/system`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from prefect.settings import get_current_settings

from pulseq.run.carrying_flow_run import CarryingFlowRun
from pulseq.run.run_options import RunOptions

API = "http://127.0.0.1:9/api"
SERVER = SimpleNamespace(api_url=API, auth=None)


@pytest.mark.parametrize(
    ("server", "with_page", "beats"), [(None, True, True), (None, False, False), (SERVER, True, False)]
)
def test_a_flow_run_tells_that_it_lives_where_its_server_outlives_it(server: Any, with_page: bool, beats: bool) -> None:
    options = RunOptions(run_id="r", api_url=API, with_page=with_page)
    driver = SimpleNamespace(options=options, log=None)
    carrying = CarryingFlowRun(cast(Any, driver), server, None if server else API, cast(Any, None))

    with carrying.speaking():
        assert (get_current_settings().flows.heartbeat_frequency is not None) is beats
