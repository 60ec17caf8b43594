"""No DAG: what is wrong with deployments.yaml shows as an import error, while every valid deployment goes on.

Airflow parses only files that hold its name and the word "dag"; this sentence is why it parses this one.
"""

from backup_engine.errors import ConfigurationError
from vectorizer_backup.dag_defaults import deployments

problems = deployments().problems
if problems:
    told = "\n".join(f"- {name}: {problem}" for name, problem in sorted(problems.items()))
    raise ConfigurationError(f"these entries of deployments.yaml have no DAGs until they are corrected:\n{told}")
