from tests.contract.client import Api


def test_renaming_keeps_the_old_name_as_an_alias_that_blocks_it(api: Api, name: str) -> None:
    api.create(name)
    api.upsert(name, {"a": [1, 2, 3, 4]})
    new = f"{name}-new"
    assert api.rename(name, new).json() == {
        "old_name": name,
        "new_name": new,
        "alias_retained": name,
        "status": "ok",
    }
    assert api.ids(name) == api.ids(new) == ["a"]
    assert (name in api.names(), new in api.names()) == (False, True)
    body = {"vectors": {"size": 4, "distance": "Dot"}}
    assert api.call("PUT", f"/qdrant/collections/{name}", json=body).status_code == 409
    other = f"{name}-other"
    api.create(other)
    assert api.rename(other, name).status_code == 409
    assert api.drop_alias(name).json() == {"status": "ok", "time": 0.0, "result": True}
    assert api.rename(other, name).status_code == 200


def test_details_show_the_name_that_was_asked_for(api: Api, name: str) -> None:
    api.create(name)
    api.rename(name, f"{name}-new")
    assert api.details(name)["name"] == name


def test_a_collection_can_be_swapped_in(api: Api, name: str) -> None:
    aside, before = f"{name}-aside", f"{name}-before"
    for each, vector_id in ((name, "old"), (aside, "new")):
        api.create(each)
        api.upsert(each, {vector_id: [1, 2, 3, 4]})
    api.rename(name, before)
    assert api.save(before)["flushed"] is True
    api.drop_alias(name)
    api.rename(aside, name)
    api.drop_alias(aside)
    assert (api.ids(name), api.ids(before)) == (["new"], ["old"])


def test_aliases_are_made_listed_and_written_through(api: Api, name: str) -> None:
    api.create(name)
    alias = f"{name}-alias"
    action = {"create_alias": {"alias_name": alias, "collection_name": name}}
    assert api.post("/qdrant/collections/aliases", {"actions": [action]}).json()["result"] is True
    expected = {"alias_name": alias, "collection_name": name}
    assert expected in api.get("/qdrant/aliases").json()["aliases"]
    assert api.get(f"/qdrant/collections/{name}/aliases").json() == {"aliases": [expected]}
    api.upsert(alias, {"a": [1, 2, 3, 4]})
    assert api.ids(name) == ["a"]
    assert alias not in api.names()


def test_deleting_a_collection_takes_its_aliases_along(api: Api, name: str) -> None:
    api.create(name)
    api.rename(name, f"{name}-new")
    api.delete(f"/collections/{name}-new")
    aliases = [each["alias_name"] for each in api.get("/qdrant/aliases").json()["aliases"]]
    assert name not in aliases


def test_what_cannot_be_renamed_is_refused(api: Api, name: str) -> None:
    api.create(name)
    assert api.rename(name, name).json()["error_type"] == "invalid_configuration"
    assert api.rename(name, "a/b").json()["error_type"] == "invalid_configuration"
    assert api.rename(f"{name}-missing", "x").json()["error_type"] == "collection_not_found"
    assert api.drop_alias(f"{name}-missing").status_code == 404
