// SPDX-License-Identifier: LGPL-2.1-or-later
//
// An HTTP server and client on libuv.
//
//   node web.js serve PORT [WORKERS]     GET: JSON of who asks; POST: SHA-256 of the body
//   node web.js get URL                  prints the answer
//   node web.js fetch URL                the same with fetch()
//   node web.js post URL BYTES           prints whether the hash that comes back is right
//   node web.js many URL CLIENTS EACH [keep]
//                                        prints how many requests were answered rightly
//   node web.js browse DOMAIN HOSTS EACH six connections to each of nN.DOMAIN; prints how many requests were answered rightly
//   node web.js lookup NAME              dns.lookup (getaddrinfo) and dns.resolve4 (c-ares)
'use strict';

const cluster = require('cluster');
const crypto = require('crypto');
const dns = require('dns');
const http = require('http');

const plain = (address) => address.replace(/^::ffff:/, '');

function handle(request, response) {
    if (request.method === 'POST') {
        const hash = crypto.createHash('sha256');
        request.on('data', (chunk) => hash.update(chunk));
        request.on('end', () => response.end(hash.digest('hex')));
        return;
    }
    response.end(JSON.stringify({
        client: plain(request.socket.remoteAddress),
        server: plain(request.socket.localAddress),
        port: request.socket.localPort,
        pid: process.pid,
        path: request.url,
    }));
}

function serve(port, workers) {
    if (workers && cluster.isPrimary) {
        for (let i = 0; i < workers; i++)
            cluster.fork();
        return;
    }
    http.createServer(handle).listen(port);
}

function request(url, options = {}, body = undefined) {
    return new Promise((resolve, reject) => {
        const r = http.request(url, { timeout: 30000, ...options }, (response) => {
            const chunks = [];
            response.on('data', (chunk) => chunks.push(chunk));
            response.on('end', () => resolve(Buffer.concat(chunks).toString()));
            response.on('error', reject);
        });
        r.on('timeout', () => r.destroy(new Error('timeout')));
        r.on('error', reject);
        r.end(body);
    });
}

async function many(url, clients, each, keep) {
    const agent = new http.Agent({ keepAlive: keep, maxSockets: clients });
    let right = 0;

    await Promise.all(Array.from({ length: clients }, async (_, c) => {
        for (let i = 0; i < each; i++) {
            const path = `/${c}/${i}`;
            try {
                const answer = JSON.parse(await request(url + path, { agent }));
                right += answer.path === path;
            } catch (error) {
                console.error(error.message);
            }
        }
    }));
    agent.destroy();
    return right;
}

async function browse(domain, hosts, each) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 6 });
    let right = 0;

    await Promise.all(Array.from({ length: hosts * each }, async (_, k) => {
        const path = `/n/${1 + k % hosts}/${k}`;
        const answer = await request(`http://n${1 + k % hosts}.${domain}${path}`, { agent });
        right += answer.trim() === path;
    }));
    agent.destroy();
    return right;
}

async function main([word, where, ...rest]) {
    switch (word) {
    case 'serve':
        return serve(Number(where), Number(rest[0] || 0));
    case 'get':
        return console.log(await request(where));
    case 'fetch':
        return console.log(await (await fetch(where)).text());
    case 'post': {
        const body = Buffer.alloc(Number(rest[0]), 'appswitch ');
        const wanted = crypto.createHash('sha256').update(body).digest('hex');
        return console.log(await request(where, { method: 'POST' }, body) === wanted);
    }
    case 'many':
        return console.log(await many(where, Number(rest[0]), Number(rest[1]), rest[2] === 'keep'));
    case 'browse':
        return console.log(await browse(where, Number(rest[0]), Number(rest[1])));
    case 'lookup':
        console.log((await dns.promises.lookup(where, { family: 4 })).address,
            (await dns.promises.resolve4(where)).join(' '));
        return undefined;
    default:
        throw new Error(`unknown word ${word}`);
    }
}

main(process.argv.slice(2)).catch((error) => {
    console.error(error.code || error.message, error.cause ? error.cause.code : '');
    process.exit(1);
});
