#!/bin/bash
# A data set of 40,000 posed views on a Ray cluster, one actor a GPU, or one for some cores each:
#   ray job submit --address http://HEAD:8265 --working-dir . -- bash examples/ray-job.sh
# or on any node of the cluster:  bash examples/ray-job.sh
# graf[ray] is installed on every node. Submitted again after an end of any kind, it goes on.
exec graf dataset \
  --n "${OBJECTS:-1000}" --views "${VIEWS:-40}" --split train=0.9,val=0.1 \
  --out "${OUT:-$PWD/views}" --engine ray --address "${RAY_ADDRESS:-auto}" --resume
