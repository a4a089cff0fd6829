declare module '*.css';

/** The packages of Grafana bring the router in, without types. */
declare module 'react-router-dom' {
  export const MemoryRouter: import('react').ComponentType<{ children: import('react').ReactNode }>;
}
