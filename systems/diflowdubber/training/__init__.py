"""Training from caches of features. It needs torch, numpy and safetensors; Lightning Fabric and TensorBoard if present.

`run` ties it together; `data` makes batches, `objective` is what is learnt in each stage, `loop` the steps,
`checkpoint` what is kept, `launch` one process or many, `log` and `samples` what one sees of it. On a machine without
the rest of dubbench's dependencies: ``python -m dubbench.systems.diflowdubber.training``.
"""
