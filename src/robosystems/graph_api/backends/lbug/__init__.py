"""LadybugDB: one supervised engine process per open database."""
