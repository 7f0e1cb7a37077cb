# docker build -t ninepic .
# docker run --rm --env NINEPIC_API_KEY --env NINEPIC_ORG_ID --volume "$PWD:/photos" --user "$(id -u)" ninepic bib 1234 --event 456

FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY completions completions
COPY man man
COPY ninepic_cli ninepic_cli
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .
RUN python -m venv --without-pip /opt/ninepic
RUN pip --python /opt/ninepic/bin/python install --no-cache-dir /wheels/*.whl

FROM python:3.13-slim
COPY --from=build /opt/ninepic /opt/ninepic
ENV PATH="/opt/ninepic/bin:$PATH"
# Whatever user the container runs as may write to the working directory.
RUN useradd --uid 10001 --create-home ninepic && mkdir --mode=1777 /photos
# A number: Kubernetes cannot tell of a name that it is not root.
USER 10001
WORKDIR /photos
ENTRYPOINT ["ninepic"]
