"""The pages, a module each; `bridge.console.app` lists their paths."""
