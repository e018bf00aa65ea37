# Two stages: the first builds with everything, the second runs with what production needs.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json ./
COPY src ./src
COPY connectors ./connectors
COPY mappings ./mappings
COPY tools ./tools
RUN npm run build && npm prune --omit=dev

FROM node:24-bookworm-slim
ENV NODE_ENV=production CROSSWALK_STORE=/var/lib/crosswalk/crosswalk.db CROSSWALK_HOST=0.0.0.0
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
RUN mkdir -p /var/lib/crosswalk /etc/crosswalk && chown node:node /var/lib/crosswalk
USER node
VOLUME ["/var/lib/crosswalk"]
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s CMD ["node", "-e", "fetch('http://127.0.0.1:'+(process.env.CROSSWALK_PORT||8080)+'/healthz').then(r=>process.exit(r.ok?0:1),()=>process.exit(1))"]
CMD ["node", "dist/src/main.js", "serve", "--dir", "/etc/crosswalk"]
