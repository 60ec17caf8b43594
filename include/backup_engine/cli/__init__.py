"""The engine without Airflow."""
