"""A `Salesforce` of simple_salesforce whose session renews itself, in each of its APIs."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import requests
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceExpiredSession

from forcegrant import TokenRejectedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from forcegrant.testing import Org

ROW = '[{"errorCode":"INVALID_SESSION_ID"}]'


@pytest.fixture
def session(forcegrant_org: Org) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.proxies = {"https": forcegrant_org.emulator.proxy}
    session.verify = str(forcegrant_org.emulator.ca_file())
    return session


@pytest.fixture
def salesforce(forcegrant_org: Org, session: requests.Session) -> Any:
    return forcegrant_org.client().simple_salesforce(session=session, version="67.0")


def rest(salesforce: Any) -> None:
    assert salesforce.query("SELECT Id FROM User")["totalSize"] == 1
    assert salesforce.limits()["DailyApiRequests"]["Max"] == 15_000


def bulk(salesforce: Any) -> None:
    job = salesforce.bulk.Account._create_job("insert", use_serial=False)
    assert job["object"] == "Account"


def bulk2(salesforce: Any) -> None:
    (response,) = [salesforce.bulk2.Account._client.create_job("insert")]
    assert response["id"].startswith("750")


def metadata(salesforce: Any) -> None:
    assert salesforce.mdapi.describe_metadata().partialSaveAllowed


APIS = {"query": rest, "bulk": bulk, "jobs": bulk2, "soap": metadata}


@pytest.mark.parametrize("use", APIS.values(), ids=APIS.keys())
def test_each_api_renews_the_session(
    salesforce: Any, forcegrant_org: Org, use: Callable[[Any], None]
) -> None:
    assert isinstance(salesforce, Salesforce)
    use(salesforce)
    forcegrant_org.kill_sessions()
    use(salesforce)
    counters = forcegrant_org.emulator.counters()
    assert (counters["token_requests"], counters["data_rejected"]) == (2, 1)
    # Later calls have the new token at once.
    use(salesforce)
    assert forcegrant_org.emulator.counters()["data_rejected"] == 1


@pytest.mark.parametrize("use", APIS.values(), ids=APIS.keys())
def test_each_api_follows_the_instance(
    salesforce: Any, forcegrant_org: Org, use: Callable[[Any], None]
) -> None:
    forcegrant_org.emulator.control(
        "move_instance", instance_url="https://acme-one.my.salesforce.com"
    )
    forcegrant_org.kill_sessions()
    use(salesforce)
    hosts = [r["host"] for r in forcegrant_org.emulator.requests() if r["endpoint"] in APIS]
    first, second = hosts[0], hosts[1]
    assert (first.split(".")[0], second.split(".")[0]) == ("acme", "acme-one")


def test_objects_that_hold_a_session_id_renew_it_too(salesforce: Any, forcegrant_org: Org) -> None:
    held = [salesforce.bulk, salesforce.bulk2.Account, salesforce.mdapi, salesforce.User]
    forcegrant_org.kill_sessions()
    assert held[0].Account._create_job("insert", use_serial=False)["object"] == "Account"
    assert held[1]._client.create_job("insert")["id"]
    assert held[2].describe_metadata().partialSaveAllowed
    with pytest.raises(Exception, match="NOT_FOUND"):
        held[3].describe()
    counters = forcegrant_org.emulator.counters()
    assert (counters["token_requests"], counters["data_rejected"]) == (2, 1)


def test_a_call_of_the_metadata_api_with_a_text_of_its_own(
    salesforce: Any, forcegrant_org: Org
) -> None:
    api = salesforce.mdapi
    forcegrant_org.kill_sessions()
    with pytest.raises(Exception, match="the emulator has getUserInfo, query and describeMetadata"):
        api.check_deploy_status("0Af000000000001")
    counters = forcegrant_org.emulator.counters()
    assert (counters["token_requests"], counters["data_rejected"]) == (2, 1)


def test_a_hundred_calls_that_meet_a_dead_session_cause_one_login(
    salesforce: Any, forcegrant_org: Org
) -> None:
    forcegrant_org.kill_sessions()
    with ThreadPoolExecutor(100) as pool:
        responses = list(pool.map(lambda _: salesforce.query("SELECT Id FROM User"), range(100)))
    assert {response["totalSize"] for response in responses} == {1}
    assert forcegrant_org.emulator.counters()["token_requests"] == 2


def test_another_origin_sees_no_session_id(salesforce: Any, forcegrant_org: Org) -> None:
    """Bulk API 1 and SOAP send the token outside of the headers that requests handles."""
    foreign = "https://acme--uat.sandbox.my.salesforce.com/services/data/v67.0/query"
    emulator = forcegrant_org.emulator
    token = salesforce.session_id
    for endpoint, use in (("bulk", bulk), ("soap", metadata)):
        emulator.control(
            "fault",
            endpoint=endpoint,
            kind="redirect",
            status=307,
            location=foreign,
            first=1,
        )
        with pytest.raises(Exception, match=r".+"):
            use(salesforce)
    requests = emulator.requests("query")
    assert len(requests) == 2
    for request in requests:
        assert token not in str(request["headers"])
        assert "x-sfdc-session" not in request["headers"]
    # The envelope went along without what was in it.
    posted = [request["body_bytes"] for request in emulator.requests("soap")]
    assert requests[1]["body_bytes"] == posted[0] - len(token)
    assert emulator.counters()["token_requests"] == 1


def test_what_is_not_about_the_session_is_told_as_ever(
    salesforce: Any, forcegrant_org: Org
) -> None:
    message = "This session is not valid for use with the REST API"
    forcegrant_org.emulator.control(
        "fault", endpoint="query", kind="status", status=401, body=message
    )
    with pytest.raises(SalesforceExpiredSession, match="not valid for use"):
        salesforce.query("SELECT Id FROM User")
    assert forcegrant_org.emulator.counters()["token_requests"] == 1


def test_the_same_token_again_ends_in_an_error(salesforce: Any, forcegrant_org: Org) -> None:
    forcegrant_org.emulator.control("fault", endpoint="query", kind="status", status=401, body=ROW)
    with pytest.raises(TokenRejectedError) as caught:
        salesforce.query("SELECT Id FROM User")
    assert caught.value.code == "same_token_returned"


def test_headers_of_the_users_own_go_along(salesforce: Any, forcegrant_org: Org) -> None:
    salesforce.headers["X-Mine"] = "yes"
    salesforce.query("SELECT Id FROM User")
    (request,) = forcegrant_org.emulator.requests("query")
    assert request["headers"]["x-mine"] == "yes"


def test_options(forcegrant_org: Org) -> None:
    client = forcegrant_org.client()
    salesforce = client.simple_salesforce(
        proxies={"https": forcegrant_org.emulator.proxy}, object_pairs_hook=dict
    )
    assert salesforce.session.proxies == {"https": forcegrant_org.emulator.proxy}
    assert salesforce.session_id == client.token().access_token
    salesforce.session.trust_env = False
    salesforce.session.verify = str(forcegrant_org.emulator.ca_file())
    assert type(salesforce.query("SELECT Id FROM User")) is dict
    with pytest.raises(TypeError, match="does not take domain, username"):
        client.simple_salesforce(username="x", domain="test")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(salesforce)
