-- Run once by PostgreSQL's image, when its volume is new.
CREATE DATABASE prefect;
CREATE DATABASE mlflow;
CREATE DATABASE mlflow_auth;
