"""The part of the server's GraphQL schema that reads and writes vectors, in its own names and messages."""

from collections.abc import Callable

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLScalarType,
    ValidationRule,
    build_schema,
    specified_rules,
)
from graphql.validation import FieldsOnCorrectTypeRule

from sandbox.payloads import Json

# Vectors and payloads are scalars here: the executor would spend its time on single floats.
SCHEMA = build_schema("""
schema { query: QueryRoot mutation: MutationRoot }
scalar DateTime
scalar JSON
scalar Floats
enum GqlDistanceMetric { COSINE EUCLIDEAN DOT_PRODUCT }
enum GqlStorageType { MEMORY MMAP }
type GqlHnswConfig { m: Int! efConstruction: Int! efSearch: Int! }
type GqlCollectionConfig {
  dimension: Int! metric: GqlDistanceMetric! hnswConfig: GqlHnswConfig! storageType: GqlStorageType
  shardingEnabled: Boolean! shardCount: Int graphEnabled: Boolean!
}
type GqlCollection {
  name: String! tenantId: String createdAt: DateTime! updatedAt: DateTime! vectorCount: Int!
  documentCount: Int! config: GqlCollectionConfig!
}
type GqlVector { id: String! data: Floats! dimension: Int! payload: JSON }
type VectorPage { items: [GqlVector!]! totalCount: Int! hasNextPage: Boolean! nextCursor: String }
type GqlSearchResult { id: String! score: Float! vector: Floats payload: JSON }
type GqlServerStats {
  version: String! collectionCount: Int! totalVectors: Int! uptimeSeconds: Int! memoryUsageBytes: Int!
}
type MutationResult { success: Boolean! message: String affectedCount: Int }
input ScrollInput {
  collection: String! limit: Int! = 100 cursor: String includeVectors: Boolean filter: JSON
}
input SearchInput {
  collection: String! vector: Floats! limit: Int! = 10 includeVectors: Boolean filter: JSON
  scoreThreshold: Float
}
input CreateCollectionInput {
  name: String! dimension: Int! metric: GqlDistanceMetric hnswM: Int hnswEfConstruction: Int
  shardCount: Int enableGraph: Boolean forceCpu: Boolean
}
input UpsertVectorInput { id: String! data: Floats! payload: JSON publicKey: String }
input UpsertVectorsInput { collection: String! vectors: [UpsertVectorInput!]! publicKey: String }
type QueryRoot {
  collections: [GqlCollection!]!
  collection(name: String!): GqlCollection
  vector(collection: String!, id: String!): GqlVector
  vectors(input: ScrollInput!): VectorPage!
  search(input: SearchInput!): [GqlSearchResult!]!
  stats: GqlServerStats!
}
type MutationRoot {
  createCollection(input: CreateCollectionInput!): GqlCollection!
  deleteCollection(name: String!): MutationResult!
  upsertVector(collection: String!, input: UpsertVectorInput!): GqlVector!
  upsertVectors(input: UpsertVectorsInput!): MutationResult!
  deleteVector(collection: String!, id: String!): MutationResult!
  updatePayload(collection: String!, id: String!, payload: JSON!, publicKey: String): MutationResult!
}
""")


def _parse_floats(value: Json) -> list[float]:
    if not isinstance(value, list):
        raise GraphQLError("Expected a list of floats.")
    for component in value:
        if type(component) not in {int, float}:
            raise GraphQLError(f"Expected a float, found {component!r}.")
    return value


def _prepare_scalar(name: str, parse_value: Callable[[Json], Json]) -> None:
    scalar = SCHEMA.type_map[name]
    assert isinstance(scalar, GraphQLScalarType)  # noqa: S101
    scalar.parse_value = parse_value  # type: ignore[assignment]


_prepare_scalar("Floats", _parse_floats)


class _UnknownField(ValidationRule):
    """Name a field that is not there in the words of the server's own library."""

    def enter_field(self, node: FieldNode, *_args: Json) -> None:
        parent = self.context.get_parent_type()
        if parent is not None and self.context.get_field_def() is None:
            message = f'Unknown field "{node.name.value}" on type "{parent.name}".'
            self.report_error(GraphQLError(message, node))


RULES = [_UnknownField if rule is FieldsOnCorrectTypeRule else rule for rule in specified_rules]
