"""Signed links: a look asks, the button acts, once."""

from __future__ import annotations

from tests.sidecar.pages.looks import words
from tests.sidecar.pages.serving import look, post, served
from tests.support.cases import DOWN, OVER, TAKEN
from tests.support.desk import MemoryDesk
from tests.support.links import Known, Sent


async def test_a_look_asks_and_changes_nothing() -> None:
    desk = MemoryDesk([DOWN])
    async with served(desk, may="viewer", links=Known()) as address:
        for _ in range(2):
            answer = await look(address, "/act/good")
            assert answer.status == 200
            assert "Acknowledge this alert? critical 3 min The database does not answer" in words(answer.body.decode())
    assert await desk.case(DOWN.fingerprint) == DOWN


async def test_the_button_acknowledges_in_the_name_that_was_given_and_whom_the_link_was_sent_to() -> None:
    desk = MemoryDesk([DOWN])
    async with served(desk, may="viewer", links=Known()) as address:
        answer = await post(address, "/act/good", {"name": "mara"})
    assert answer.status == 200
    assert "Done Acknowledged: nobody else is called" in words(answer.body.decode())
    done = await desk.case(DOWN.fingerprint)
    assert (done.state, done.acknowledged_by) == ("acknowledged", "mara (phones)")


async def test_without_a_name_the_receiver_acts() -> None:
    desk = MemoryDesk([DOWN])
    async with served(desk, links=Known()) as address:
        await post(address, "/act/good", {"name": " "})
    assert (await desk.case(DOWN.fingerprint)).acknowledged_by == "phones"


async def test_a_link_that_was_used_says_so_and_does_nothing_again() -> None:
    desk = MemoryDesk([DOWN])
    async with served(desk, links=Known()) as address:
        await post(address, "/act/good", {})
        before = await desk.case(DOWN.fingerprint)
        for answer in (await post(address, "/act/good", {}), await look(address, "/act/good")):
            assert answer.status == 410
            assert "This link is not good any more This link was used already; each is good once." in words(
                answer.body.decode())
    assert await desk.case(DOWN.fingerprint) == before


async def test_who_would_take_an_alert_over_is_told_whose_it_is() -> None:
    async with served(MemoryDesk([TAKEN]), links=Known(Sent(TAKEN.fingerprint))) as address:
        answer = await look(address, "/act/good")
    assert "mara has it already: it would be yours." in words(answer.body.decode())


async def test_an_alert_that_is_over_is_not_acknowledged() -> None:
    async with served(MemoryDesk([OVER]), links=Known(Sent(OVER.fingerprint))) as address:
        answer = await post(address, "/act/good", {})
    assert answer.status == 409
    assert "The alert is over." in words(answer.body.decode())


async def test_an_alert_that_nobody_knows_any_more_is_said() -> None:
    async with served(MemoryDesk(), links=Known()) as address:
        assert (await look(address, "/act/good")).status == 404
        assert (await post(address, "/act/good", {})).status == 404


async def test_a_form_of_a_mail_program_without_any_origin_acts() -> None:
    desk = MemoryDesk([DOWN])
    async with served(desk, links=Known()) as address:
        answer = await post(address, "/act/good", {}, Origin="null", Sec_Fetch_Site="cross-site")
    assert answer.status == 200
