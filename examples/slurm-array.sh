#!/bin/bash
# A data set of 40,000 posed views by an array of 64 tasks:  sbatch examples/slurm-array.sh
# A task that is pre-empted is requeued, and goes on where it stopped.
#SBATCH --job-name=graf-views
#SBATCH --array=1-64
#SBATCH --requeue
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --time=04:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --output=graf-%A_%a.log
# On GPUs add:  #SBATCH --gres=gpu:1

# With `exec`, SLURM's SIGTERM two minutes before the end reaches graf itself, which finishes the
# picture in hand and says how to go on.
export OMP_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}"
exec graf dataset \
  --n "${OBJECTS:-1000}" --views "${VIEWS:-40}" --split train=0.9,val=0.1 \
  --out "${OUT:-$PWD/views}" --shard auto
