// Implements AdminService.
#pragma once

#include <grpcpp/grpcpp.h>

#include <utility>

#include "server/admin/admin_environment.h"
#include "server/call/call.h"
#include "walden/v1/admin.grpc.pb.h"

namespace walden {

class AdminService final : public v1::AdminService::CallbackService {
 public:
  explicit AdminService(AdminEnvironment environment) : environment_(std::move(environment)) {}

 private:
  using Context = grpc::CallbackServerContext;
  using Reactor = grpc::ServerUnaryReactor;

  Reactor* GetServerInfo(Context*, const v1::GetServerInfoRequest* request,
                         v1::GetServerInfoResponse* response) override;
  Reactor* ListNamespaces(Context*, const v1::ListNamespacesRequest* request,
                          v1::ListNamespacesResponse* response) override;
  Reactor* ListRegions(Context*, const v1::ListRegionsRequest* request,
                       v1::ListRegionsResponse* response) override;
  Reactor* DescribeRegion(Context*, const v1::DescribeRegionRequest* request,
                          v1::DescribeRegionResponse* response) override;
  Reactor* GetTablePosition(Context*, const v1::GetTablePositionRequest* request,
                            v1::GetTablePositionResponse* response) override;
  Reactor* SyncRegion(Context*, const v1::SyncRegionRequest* request,
                      v1::SyncRegionResponse* response) override;
  Reactor* CloseRegion(Context*, const v1::CloseRegionRequest* request,
                       v1::CloseRegionResponse* response) override;
  Reactor* DropRegion(Context*, const v1::DropRegionRequest* request,
                      v1::DropRegionResponse* response) override;
  grpc::ServerWriteReactor<v1::VerifyRegionResponse>* VerifyRegion(
      Context*, const v1::VerifyRegionRequest* request) override;
  Reactor* GetStatistics(Context*, const v1::GetStatisticsRequest* request,
                         v1::GetStatisticsResponse* response) override;

  // Fills one page of a description.
  void Describe(const EnteredRegion& entered, const RegionLog& log, const DescribeCursor& from,
                size_t items, v1::DescribeRegionResponse* response) const;

  const AdminEnvironment environment_;
};

}  // namespace walden
