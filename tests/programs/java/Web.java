// SPDX-License-Identifier: LGPL-2.1-or-later

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/**
 * An HTTP server and clients of three kinds.
 *
 * Web serve PORT                   GET: "CLIENT SERVER PATH"; POST: SHA-256 of the body
 * Web get URL                      java.net.http.HttpClient
 * Web post URL BYTES               prints whether the hash that comes back is right
 * Web many URL CLIENTS EACH        prints how many requests were answered rightly
 * Web socket HOST PORT PATH        java.net.Socket, blocking
 * Web selector HOST PORT PATH      SocketChannel, registered with a selector before it connects
 * Web lookup NAME                  InetAddress
 */
public final class Web {
    private static final Duration TIMEOUT = Duration.ofSeconds(30);

    private static String sha256(byte[] data) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(data));
    }

    private static void handle(HttpExchange exchange) throws IOException {
        byte[] answer;
        byte[] body = exchange.getRequestBody().readAllBytes();
        try {
            answer = exchange.getRequestMethod().equals("POST")
                    ? sha256(body).getBytes(StandardCharsets.US_ASCII)
                    : String.join(" ", exchange.getRemoteAddress().getAddress().getHostAddress(),
                            exchange.getLocalAddress().getAddress().getHostAddress(),
                            exchange.getRequestURI().getPath()).getBytes(StandardCharsets.US_ASCII);
        } catch (Exception e) {
            throw new IOException(e);
        }
        exchange.sendResponseHeaders(200, answer.length);
        exchange.getResponseBody().write(answer);
        exchange.close();
    }

    private static void serve(int port) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress(port), 100);
        server.createContext("/", Web::handle);
        server.setExecutor(Executors.newFixedThreadPool(8));
        server.start();
    }

    private static HttpClient client() {
        return HttpClient.newBuilder().connectTimeout(TIMEOUT).version(HttpClient.Version.HTTP_1_1).build();
    }

    private static String get(HttpClient client, String url) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(url)).timeout(TIMEOUT).build();
        return client.send(request, HttpResponse.BodyHandlers.ofString()).body();
    }

    private static boolean post(String url, int size) throws Exception {
        byte[] data = new byte[size];
        Arrays.fill(data, (byte) 'a');
        HttpRequest request = HttpRequest.newBuilder(URI.create(url)).timeout(TIMEOUT)
                .POST(HttpRequest.BodyPublishers.ofByteArray(data)).build();
        return client().send(request, HttpResponse.BodyHandlers.ofString()).body().equals(sha256(data));
    }

    private static int many(String url, int clients, int each) throws Exception {
        var pool = Executors.newFixedThreadPool(clients);
        List<Future<Integer>> results = new ArrayList<>();
        for (int c = 0; c < clients; c++) {
            int me = c;
            Callable<Integer> work = () -> {
                HttpClient client = client();
                int right = 0;
                for (int i = 0; i < each; i++) {
                    String path = "/" + me + "/" + i;
                    right += get(client, url + path).endsWith(" " + path) ? 1 : 0;
                }
                return right;
            };
            results.add(pool.submit(work));
        }
        int right = 0;
        for (Future<Integer> result : results) {
            right += result.get();
        }
        pool.shutdown();
        return right;
    }

    private static byte[] requestFor(String host, String path) {
        return ("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n")
                .getBytes(StandardCharsets.US_ASCII);
    }

    private static String bodyOf(byte[] answer) {
        String text = new String(answer, StandardCharsets.US_ASCII);
        return text.substring(text.indexOf("\r\n\r\n") + 4).trim();
    }

    private static String socket(String host, int port, String path) throws IOException {
        try (Socket socket = new Socket()) {
            socket.setTcpNoDelay(true);
            socket.setSoTimeout((int) TIMEOUT.toMillis());
            socket.connect(new InetSocketAddress(host, port), (int) TIMEOUT.toMillis());
            socket.getOutputStream().write(requestFor(host, path));
            return bodyOf(socket.getInputStream().readAllBytes());
        }
    }

    private static String selector(String host, int port, String path) throws IOException {
        ByteArrayOutputStream answer = new ByteArrayOutputStream();
        ByteBuffer out = ByteBuffer.wrap(requestFor(host, path));
        ByteBuffer in = ByteBuffer.allocate(4096);

        try (Selector selector = Selector.open(); SocketChannel channel = SocketChannel.open()) {
            channel.configureBlocking(false);
            SelectionKey key = channel.register(selector, SelectionKey.OP_CONNECT);
            if (channel.connect(new InetSocketAddress(host, port))) {
                key.interestOps(SelectionKey.OP_WRITE);
            }
            for (;;) {
                if (selector.select(TIMEOUT.toMillis()) == 0) {
                    throw new IOException("the selector was not woken");
                }
                selector.selectedKeys().clear();
                if (key.isConnectable() && channel.finishConnect()) {
                    key.interestOps(SelectionKey.OP_WRITE);
                } else if (key.isWritable()) {
                    channel.write(out);
                    if (!out.hasRemaining()) {
                        key.interestOps(SelectionKey.OP_READ);
                    }
                } else if (key.isReadable()) {
                    int n = channel.read(in);
                    if (n < 0) {
                        return bodyOf(answer.toByteArray());
                    }
                    answer.write(in.array(), 0, n);
                    in.clear();
                }
            }
        }
    }

    public static void main(String[] args) throws Exception {
        switch (args[0]) {
            case "serve" -> serve(Integer.parseInt(args[1]));
            case "get" -> System.out.println(get(client(), args[1]));
            case "post" -> System.out.println(post(args[1], Integer.parseInt(args[2])));
            case "many" -> {
                System.out.println(many(args[1], Integer.parseInt(args[2]), Integer.parseInt(args[3])));
                System.exit(0);
            }
            case "socket" -> System.out.println(socket(args[1], Integer.parseInt(args[2]), args[3]));
            case "selector" -> System.out.println(selector(args[1], Integer.parseInt(args[2]), args[3]));
            case "lookup" -> System.out.println(Arrays.stream(InetAddress.getAllByName(args[1]))
                    .map(InetAddress::getHostAddress).collect(Collectors.joining(" ")));
            default -> throw new IllegalArgumentException(args[0]);
        }
    }
}
