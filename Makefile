SHELL := /bin/bash
NODE := node_modules/node/bin/node
export PATH := $(CURDIR)/node_modules/node/bin:$(CURDIR)/node_modules/.bin:$(PATH)

.PHONY: up test chaos check bench soak setup format
up: setup            ## the whole two-site fleet on this machine; Ctrl-C stops it
	@./ajna up
test: setup          ## every test: static checks, unit, real brokers, real browser
	@scripts/test
chaos: setup         ## everything killed at random for minutes, the whole fleet included
	@scripts/test chaos
check: setup         ## format, lint, types, boundaries, unit tests (a minute)
	@scripts/check
bench: setup         ## every room's bench, one JSON line each
	@for f in $$(ls test/bench/*.ts | sort); do echo "== $$f"; $(NODE) $$f || exit 1; done
bench-%: setup       ## one room's bench
	@$(NODE) test/bench/$*.ts
soak: setup          ## the main job under kills with twenty times the load
	@AJNA_TEST_LINES=20000000 AJNA_TEST_RATE=20000 $(NODE) --test test/fleet/main-job.chaos.it.ts
format: setup
	@biome check --write .
setup: node_modules/.ajna-setup
node_modules/.ajna-setup: package-lock.json scripts/setup
	@scripts/setup
	@touch $@
