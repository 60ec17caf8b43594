#!/bin/sh
# Brings Airflow's database up to date and makes the first user, once. What is there already stays as it is.
set -eu

airflow db migrate

# The password comes in over the standard input: an argument would be seen by everyone on the machine.
printf '%s\n%s\n' "$AIRFLOW_ADMIN_PASSWORD" "$AIRFLOW_ADMIN_PASSWORD" |
	airflow users create --username admin --role Admin --firstname Airflow --lastname Admin --email admin@localhost
