const path = require('path');
module.exports = {
  /** The apps. */
  apps : [{
    name   : 'http-api',
    script : './api/server.js',
    args: ['--color', "it's"],
    node_args : '--max-old-space-size=512 --enable-source-maps',
    instances : 'max',
    exec_mode : 'cluster',
    watch: ['api', 'lib'],
    max_memory_restart : '260M',
    env : { PORT : 8002, NODE_ENV: 'development', VERBOSE: true, SECRET: process.env.SECRET },
    env_production : { NODE_ENV: "production" },
    max_restarts: 10, restart_delay: 4000, min_uptime: '30s', kill_timeout: 1600,
  }, {
    script : "worker.py",   // named by its script
    interpreter: 'python3', cwd: path.join(__dirname, 'jobs'),
    autorestart: false,
    cron_restart: '0 0 * * *',
  }, {
    name: "shell", script: "npm run queue -- --all", ...shared,
  }, makeApp('other')],
  deploy : { production : { user : 'node' } }
};
