/** Protocol pieces that connectors share, each in a file of its own; `connector.ts` re-exports them. */
export * from './bytes.ts';
export * from './login.ts';
