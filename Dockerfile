# syntax=docker/dockerfile:1
# The official Ceph image brings rbd, rados, rbd-nbd, ceph-fuse and ceph. Any other base will do that has the programs
# which the check below asks for; it needs glibc 2.28 or newer for Node.
ARG BASE_IMAGE=quay.io/ceph/ceph:v20.2
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY LICENSE ./
COPY dev/build.ts dev/bundle.ts dev/
COPY src src
RUN npm run build && cp "$(command -v node)" /usr/local/bin/node-runtime

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="csi-driver-ceph" \
      org.opencontainers.image.description="Ceph CSI driver: RBD block volumes and CephFS shared file systems" \
      org.opencontainers.image.licenses="Apache-2.0"

# xfs is the one file system whose tools the Ceph image may lack.
RUN command -v mkfs.xfs >/dev/null || { dnf install -y --setopt=install_weak_deps=False xfsprogs && dnf clean all; }

# A base that lacks a program fails here, not when the first volume is mounted.
RUN for program in rbd rados ceph python3 ceph-fuse mount umount modprobe losetup blockdev blkid wipefs \
        mkfs.ext4 e2fsck dumpe2fs resize2fs mkfs.xfs xfs_growfs cryptsetup stat cmp dd sync; do \
      command -v "$program" >/dev/null || { echo "The base image has no $program" >&2; exit 1; }; \
    done && \
    python3 -c 'import rados, rbd' || { echo "The base image lacks Ceph's Python modules rados and rbd" >&2; exit 1; }

COPY --from=build /usr/local/bin/node-runtime /usr/local/bin/node
COPY --from=build /build/dist /opt/csi-driver-ceph

# The first start leaves what it has compiled for those of the node plugin, which may not write there. It saves 5 MiB.
ENV NODE_ENV=production NODE_COMPILE_CACHE=/opt/csi-driver-ceph/compile-cache
RUN ln -s /opt/csi-driver-ceph/main.mjs /usr/local/bin/csi-driver-ceph && csi-driver-ceph version

# The node plugin has to be root to mount; the chart runs the controller as another user.
# With less space for new objects, Node collects them earlier: memory does not grow by what is garbage already.
ENTRYPOINT ["/usr/local/bin/node", "--max-semi-space-size=2", "/opt/csi-driver-ceph/main.mjs"]
CMD ["--help"]
