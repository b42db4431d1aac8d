# kaslite as a command, not as root: docker compose run --rm app run --problem_type digits
FROM python:3.11.13-slim-bookworm

# Every version as it was checked together. torch first and alone: it decides which build every other package sees.
# TORCH_INDEX: one more package index to take it from, such as PyTorch's own of builds for CPUs, which are a tenth as large.
ARG TORCH_INDEX=
WORKDIR /src
COPY constraints.txt ./
RUN pip install --no-cache-dir --constraint constraints.txt ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} torch

COPY pyproject.toml README.md ./
COPY monitoring monitoring
COPY src src
RUN pip install --no-cache-dir --constraint constraints.txt ".[tracking,web]"

# Runs, and what is tracked of them, are in /work: mount a volume there to keep them.
RUN useradd --create-home --uid 1000 kaslite && install -d -o kaslite -g kaslite /work
USER kaslite
# What is process 1 of a container hears no SIGTERM; this ends a run like Ctrl-C, so that it can be resumed.
STOPSIGNAL SIGINT
WORKDIR /work
ENTRYPOINT ["kaslite"]
CMD ["--help"]
