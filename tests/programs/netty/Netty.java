// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Netty serve PORT                        an HTTP server: says who is there; the SHA-256 of what is posted; /bytes/N
// Netty get HOST PORT PATH                prints the answer, or why there is none
// Netty sum HOST PORT N                   the SHA-256 of N bytes from the server
// Netty post HOST PORT N                  whether N bytes go up unharmed
// Netty many HOST PORT CONNECTIONS N      prints how many of N requests on each of so many connections went well

import io.netty.bootstrap.Bootstrap;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.channel.*;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollEventLoopGroup;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.codec.http.*;
import io.netty.util.CharsetUtil;
import java.net.InetSocketAddress;
import java.security.MessageDigest;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

public class Netty {
    static final boolean EPOLL = Epoll.isAvailable();

    static EventLoopGroup group(int threads) {
        return EPOLL ? new EpollEventLoopGroup(threads) : new NioEventLoopGroup(threads);
    }

    static String sum(ByteBuf data) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            digest.update(ByteBufUtil.getBytes(data));
            return ByteBufUtil.hexDump(digest.digest());
        } catch (java.security.NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }

    static String address(java.net.SocketAddress a) {
        return ((InetSocketAddress) a).getAddress().getHostAddress();
    }

    static class Handler extends SimpleChannelInboundHandler<FullHttpRequest> {
        @Override
        protected void channelRead0(ChannelHandlerContext context, FullHttpRequest request) {
            ByteBuf body;
            if (request.method() == HttpMethod.POST) {
                body = Unpooled.copiedBuffer(sum(request.content()), CharsetUtil.US_ASCII);
            } else if (request.uri().startsWith("/bytes/")) {
                byte[] bytes = new byte[Integer.parseInt(request.uri().substring(7))];
                new Random(1).nextBytes(bytes);
                body = Unpooled.wrappedBuffer(bytes);
            } else {
                body = Unpooled.copiedBuffer(address(context.channel().remoteAddress()) + " "
                    + address(context.channel().localAddress()) + " " + request.uri(), CharsetUtil.US_ASCII);
            }
            FullHttpResponse response = new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.OK, body);
            HttpUtil.setContentLength(response, body.readableBytes());
            boolean keep = HttpUtil.isKeepAlive(request);
            HttpUtil.setKeepAlive(response, keep);
            ChannelFuture written = context.writeAndFlush(response);
            if (!keep) {
                written.addListener(ChannelFutureListener.CLOSE);
            }
        }
    }

    static void serve(int port) throws Exception {
        System.err.println(EPOLL ? "epoll" : "NIO, as there is no epoll: " + Epoll.unavailabilityCause());
        ServerBootstrap bootstrap = new ServerBootstrap()
            .group(group(1), group(2))
            .channel(EPOLL ? EpollServerSocketChannel.class : NioServerSocketChannel.class)
            .option(ChannelOption.SO_BACKLOG, 256)
            .childOption(ChannelOption.TCP_NODELAY, true)
            .childOption(ChannelOption.SO_KEEPALIVE, true)
            .childHandler(new ChannelInitializer<SocketChannel>() {
                @Override
                protected void initChannel(SocketChannel channel) {
                    channel.pipeline().addLast(new HttpServerCodec(), new HttpObjectAggregator(64 << 20), new Handler());
                }
            });
        bootstrap.bind(port).sync().channel().closeFuture().sync();
    }

    /** Sends its request N times, each after the answer to the one before. */
    static class Asker extends SimpleChannelInboundHandler<FullHttpResponse> {
        final FullHttpRequest request;
        final java.util.function.Consumer<FullHttpResponse> seen;
        int left;

        Asker(FullHttpRequest request, int n, java.util.function.Consumer<FullHttpResponse> seen) {
            this.request = request;
            this.seen = seen;
            left = n;
        }

        void ask(ChannelHandlerContext context) {
            if (left-- > 0) {
                context.writeAndFlush(request.retainedDuplicate());
            } else {
                context.close();
            }
        }

        @Override
        public void channelActive(ChannelHandlerContext context) {
            ask(context);
        }

        @Override
        protected void channelRead0(ChannelHandlerContext context, FullHttpResponse response) {
            seen.accept(response);
            ask(context);
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
            System.err.println(cause);
            context.close();
        }
    }

    static ChannelFuture connect(EventLoopGroup group, String host, int port, Asker asker) {
        return new Bootstrap()
            .group(group)
            .channel(EPOLL ? EpollSocketChannel.class : NioSocketChannel.class)
            .option(ChannelOption.CONNECT_TIMEOUT_MILLIS, 10000)
            .handler(new ChannelInitializer<SocketChannel>() {
                @Override
                protected void initChannel(SocketChannel channel) {
                    channel.pipeline().addLast(new HttpClientCodec(), new HttpObjectAggregator(64 << 20), asker);
                }
            })
            .connect(host, port);
    }

    public static void main(String[] args) throws Exception {
        if (args[0].equals("serve")) {
            serve(Integer.parseInt(args[1]));
            return;
        }
        String host = args[1];
        int port = Integer.parseInt(args[2]);
        EventLoopGroup group = group(2);
        FullHttpRequest request = new DefaultFullHttpRequest(HttpVersion.HTTP_1_1, HttpMethod.GET, "/many", Unpooled.EMPTY_BUFFER);
        int n = 1;
        int connections = 1;
        AtomicInteger good = new AtomicInteger();
        java.util.function.Consumer<FullHttpResponse> seen = r -> System.out.println(r.content().toString(CharsetUtil.US_ASCII));
        switch (args[0]) {
            case "get":
                request.setUri(args[3]);
                break;
            case "sum":
                request.setUri("/bytes/" + args[3]);
                seen = r -> System.out.println(sum(r.content()));
                break;
            case "post":
                byte[] bytes = new byte[Integer.parseInt(args[3])];
                new Random(2).nextBytes(bytes);
                ByteBuf data = Unpooled.unreleasableBuffer(Unpooled.wrappedBuffer(bytes));
                request = new DefaultFullHttpRequest(HttpVersion.HTTP_1_1, HttpMethod.POST, "/", data);
                HttpUtil.setContentLength(request, bytes.length);
                seen = r -> System.out.println(r.content().toString(CharsetUtil.US_ASCII).equals(sum(data)));
                break;
            case "many":
                connections = Integer.parseInt(args[3]);
                n = Integer.parseInt(args[4]);
                seen = r -> {
                    if (r.status().equals(HttpResponseStatus.OK) && r.content().toString(CharsetUtil.US_ASCII).endsWith(" /many")) {
                        good.incrementAndGet();
                    }
                };
                break;
        }
        request.headers().set(HttpHeaderNames.HOST, host);
        CountDownLatch ended = new CountDownLatch(connections);
        for (int i = 0; i < connections; i++) {
            connect(group, host, port, new Asker(request, n, seen)).addListener((ChannelFuture f) -> {
                if (f.isSuccess()) {
                    f.channel().closeFuture().addListener(c -> ended.countDown());
                } else {
                    System.err.println(f.cause());
                    ended.countDown();
                }
            });
        }
        ended.await(40, TimeUnit.SECONDS);
        if (args[0].equals("many")) {
            System.out.println(good.get());
        }
        group.shutdownGracefully(0, 1, TimeUnit.SECONDS).sync();
    }
}
