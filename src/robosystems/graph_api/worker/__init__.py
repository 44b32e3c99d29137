"""The database worker: a process that owns one database and answers frames. Started from `worker.template`."""
