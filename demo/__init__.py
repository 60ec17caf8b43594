"""The main job on real data in a real Airflow: back up, lose, restore, compare."""
