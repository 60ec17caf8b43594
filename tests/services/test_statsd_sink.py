"""Who listens to StatsD understands plain names, Datadog's tags and InfluxDB's."""

import socket

import pytest

from services.statsd_sink import Figure, StatsdSink, parsed


@pytest.mark.parametrize(
    ("datagram", "figures"),
    [
        (b"airflow.up:1|g", [Figure("airflow.up", 1.0, "g")]),
        (b"a:1.5|ms|#dag:one,task:two", [Figure("a", 1.5, "ms", {"dag": "one", "task": "two"})]),
        (b"a,dag=one,task=two:3|c|@0.5", [Figure("a", 3.0, "c", {"dag": "one", "task": "two"})]),
        (b"a:1|c\nb:-2|g\n", [Figure("a", 1.0, "c"), Figure("b", -2.0, "g")]),
        (b"noise\nb:many|g\n\xff:2|g", [Figure("�", 2.0, "g")]),
    ],
)
def test_a_datagram_is_read(datagram, figures):
    assert list(parsed(datagram)) == figures


def test_what_is_sent_is_kept_and_the_last_value_found_by_its_tags():
    with StatsdSink() as sink, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for place, value in (("one", 1), ("two", 5), ("one", 2)):
            sender.sendto(f"copies:{value}|g|#place:{place},of:x".encode(), ("127.0.0.1", sink.port))
        assert len(sink.wait_for(3, 5)) == 3
        assert (sink.latest("copies", place="one"), sink.latest("copies", place="two")) == (2.0, 5.0)
        assert sink.latest("copies", place="three") is None
        sink.clear()
        assert sink.figures == []


def test_it_listens_at_the_same_port_again():
    sink = StatsdSink()
    with sink:
        port = sink.port
    with sink, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"a:1|c", ("127.0.0.1", port))
        assert sink.wait_for(1, 5)[0].name == "a"
