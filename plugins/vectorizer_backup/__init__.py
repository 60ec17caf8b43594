"""How the product meets Airflow: connection type, operators, sensors, and what the DAGs are made of."""
