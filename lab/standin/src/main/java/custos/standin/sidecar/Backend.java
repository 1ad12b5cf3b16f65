package custos.standin.sidecar;

import io.grpc.CallOptions;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.MethodDescriptor;
import io.grpc.stub.ClientCalls;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/** Calls gRPC methods with messages that stay bytes. */
final class Backend implements AutoCloseable {

    private static final long TIMEOUT_SECONDS = 60; // as the routes of upstream's sidecars

    private final Map<String, ManagedChannel> channels = new ConcurrentHashMap<>();

    /**
     * One unary call.
     *
     * @param method full name, {@code service/method}
     * @throws io.grpc.StatusRuntimeException as the backend or the way to it failed
     */
    byte[] call(EnvoyConfig.Target target, String method, byte[] message) {
        MethodDescriptor<byte[], byte[]> descriptor = MethodDescriptor.<byte[], byte[]>newBuilder()
                .setType(MethodDescriptor.MethodType.UNARY)
                .setFullMethodName(method)
                .setRequestMarshaller(Bytes.INSTANCE)
                .setResponseMarshaller(Bytes.INSTANCE)
                .build();
        ManagedChannel channel = channels.computeIfAbsent(target.toString(),
                address -> ManagedChannelBuilder.forAddress(target.host, target.port).usePlaintext().build());
        channel.resetConnectBackoff();
        return ClientCalls.blockingUnaryCall(channel, descriptor,
                CallOptions.DEFAULT.withDeadlineAfter(TIMEOUT_SECONDS, TimeUnit.SECONDS), message);
    }

    @Override
    public void close() {
        channels.values().forEach(ManagedChannel::shutdownNow);
    }

    private enum Bytes implements MethodDescriptor.Marshaller<byte[]> {
        INSTANCE;

        @Override
        public InputStream stream(byte[] value) {
            return new ByteArrayInputStream(value);
        }

        @Override
        public byte[] parse(InputStream stream) {
            try {
                return stream.readAllBytes();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
