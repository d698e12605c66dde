"""What the studio's HTTP interface takes and gives: each model is one kind of JSON object; the OpenAPI document is made of them.

Ids of nodes and edges are the picture's (`convgraph.drawing.picture`): `critic`, `review/critic`, `#3`, `review#3`. Times are seconds
since 1970, durations seconds, money US dollars.
"""
