package custos.standin;

import io.grpc.BindableService;
import io.grpc.MethodDescriptor;
import io.grpc.ServerServiceDefinition;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.protobuf.ProtoUtils;
import io.grpc.stub.ServerCalls;
import org.lognet.springboot.grpc.GRpcService;

/**
 * A gRPC service under the full name of a real one, with a single method: {@code Check}, with the health protocol's messages.
 *
 * <p>The real methods are not here. This one lets a route for the service's name be tried from outside.
 */
@GRpcService
public class NamedService implements BindableService {

    private final String name;

    public NamedService(String name) {
        this.name = name;
    }

    /** The only method of each stand-in service, for the server and for those who call it. */
    public static MethodDescriptor<HealthCheckRequest, HealthCheckResponse> check(String service) {
        return MethodDescriptor.<HealthCheckRequest, HealthCheckResponse>newBuilder()
                .setType(MethodDescriptor.MethodType.UNARY)
                .setFullMethodName(MethodDescriptor.generateFullMethodName(service, "Check"))
                .setRequestMarshaller(ProtoUtils.marshaller(HealthCheckRequest.getDefaultInstance()))
                .setResponseMarshaller(ProtoUtils.marshaller(HealthCheckResponse.getDefaultInstance()))
                .build();
    }

    @Override
    public ServerServiceDefinition bindService() {
        HealthCheckResponse serving = HealthCheckResponse.newBuilder().setStatus(ServingStatus.SERVING).build();
        return ServerServiceDefinition.builder(name)
                .addMethod(check(name), ServerCalls.asyncUnaryCall((request, answer) -> {
                    answer.onNext(serving);
                    answer.onCompleted();
                }))
                .build();
    }
}
