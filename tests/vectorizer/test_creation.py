import pytest

from backup_engine.errors import InvalidInput, Unsupported
from backup_engine.model import CollectionConfiguration, Hnsw, Metric, Quantization
from backup_engine.vectorizer.creation import differences, plan_creation

BM25 = {"bm25": 512}


def wanted(quantization=Quantization.SQ8, dimension=8, metric=Metric.COSINE, hnsw=None, **more):
    index = hnsw or Hnsw()
    return CollectionConfiguration(dimension=dimension, metric=metric, quantization=quantization, hnsw=index, **more)


@pytest.mark.parametrize(
    ("quantization", "sent"),
    [
        (Quantization.SQ8, {"scalar": {"type": "int8"}}),
        (Quantization.BINARY, {"binary": {}}),
        (Quantization.PRODUCT, {"product": {}}),
    ],
)
def test_quantized_collections_take_the_route_that_knows_every_setting(quantization, sent):
    plan = plan_creation(
        "a/b", wanted(quantization, metric=Metric.DOT, hnsw=Hnsw(m=24, ef_construct=300, ef_search=77)), BM25, "3.5.0"
    )
    assert (plan.method, plan.path) == ("PUT", "/qdrant/collections/a%2Fb")
    assert plan.value == {
        "vectors": {"size": 8, "distance": "Dot"},
        "hnsw_config": {"m": 24, "ef_construct": 300, "full_scan_threshold": 77},
        "quantization_config": sent,
    }


def test_an_unquantized_collection_takes_the_provider_of_its_dimension():
    plan = plan_creation("c", wanted(Quantization.NONE, 384, Metric.EUCLIDEAN), {"bm25": 512, "minilm": 384}, "3.5.0")
    assert plan.value == {"name": "c", "dimension": 384, "metric": "euclidean", "embedding_provider": "minilm"}


def test_older_servers_bind_an_unquantized_collection_to_nothing():
    plan = plan_creation("c", wanted(Quantization.NONE, 77), {}, "3.2.0")
    assert plan.value == {"name": "c", "dimension": 77, "metric": "cosine"}


def test_a_graph_and_shards_go_over_graphql():
    plan = plan_creation("c", wanted(graph=True, shards=2, hnsw=Hnsw(m=8)), BM25, "3.5.0")
    given = {"name": "c", "dimension": 8, "metric": "COSINE", "hnswM": 8, "hnswEfConstruction": 200}
    assert plan.path == "/graphql"
    assert plan.value["variables"] == {"i": given | {"enableGraph": True, "shardCount": 2}}


@pytest.mark.parametrize(
    ("configuration", "words"),
    [
        (wanted(Quantization.NONE, 8), "512.*not with 8.*scalar quantization"),
        (wanted(Quantization.NONE, 512, hnsw=Hnsw(m=4)), "its own index settings.*scalar quantization"),
        (wanted(Quantization.NONE, 512, shards=2), "without shards"),
        (wanted(Quantization.BINARY, graph=True), "no way to create"),
        (wanted(graph=True, hnsw=Hnsw(ef_search=77)), "ef_search 100, not with 77"),
    ],
)
def test_what_no_route_makes_names_version_reason_and_alternative(configuration, words):
    with pytest.raises(Unsupported, match=f"Vectorizer 3.5.0.*{words}"):
        plan_creation("c", configuration, BM25, "3.5.0")


def test_a_name_no_path_can_hold_is_refused():
    with pytest.raises(InvalidInput, match="cannot be addressed"):
        plan_creation("..", wanted(), BM25, "3.5.0")


def test_what_came_out_differently_is_named_with_both_values():
    assert differences(wanted(), wanted(reported={"size": 1})) == []
    found = differences(wanted(hnsw=Hnsw(m=24)), wanted(dimension=4))
    assert [line.split(":")[0] for line in found] == ["dimension", "hnsw"]
    assert "8 was asked for, 4 was made" in found[0]
