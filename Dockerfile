# Airflow with vectorizer-backup in it, for every component: which one it becomes is the command.

FROM python:3.11.14-slim-bookworm AS build
WORKDIR /build
COPY bootstrap.txt requirements-production.txt ./
RUN python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes --requirement bootstrap.txt \
    && python -m venv --without-pip /srv/python \
    && uv pip install --no-cache --python /srv/python/bin/python --no-deps --require-hashes --only-binary :all: \
        --compile-bytecode --requirement requirements-production.txt
COPY LICENSE README.md pyproject.toml ./
COPY include/backup_engine include/backup_engine
COPY plugins/vectorizer_backup plugins/vectorizer_backup
# The lock holds setuptools, which builds the wheel: nothing is fetched that has no hash.
RUN uv pip install --no-cache --python /srv/python/bin/python --offline --no-deps --no-build-isolation --compile-bytecode .

FROM python:3.11.14-slim-bookworm
ENV PATH=/srv/python/bin:$PATH PYTHONUNBUFFERED=1 AIRFLOW_HOME=/srv/airflow
# A folder that is there with its owner gives both to a volume that is mounted on it.
RUN python -m pip uninstall --quiet --yes --root-user-action=ignore pip setuptools wheel \
    && useradd --uid 50000 --gid 0 --home-dir /srv/airflow --create-home airflow \
    && install --directory --owner=airflow --group=root --mode=0775 /srv/airflow/logs
COPY --from=build /srv/python /srv/python
COPY dags /srv/airflow/dags
# The packages come from the wheel alone; here only what tells Airflow about them.
COPY plugins/vectorizer_backup_plugin.py /srv/airflow/plugins/
WORKDIR /srv/airflow
USER airflow
CMD ["airflow", "version"]
