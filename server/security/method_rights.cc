#include "server/security/method_rights.h"

namespace walden {

Rights RightsOf(Method method) {
  switch (method) {
    case Method::kAppend:
    case Method::kAppendStream:
    case Method::kOpenProducer:
    case Method::kFenceRegion:
    case Method::kPut:
    case Method::kPutStream:
    case Method::kSyncRegion:
      return Right::kAppend;
    case Method::kRead:
    case Method::kRecover:
    case Method::kGet:
    case Method::kScan:
    case Method::kRecoverEntries:
    case Method::kDescribeRegion:
    case Method::kGetTablePosition:
      return Right::kRead;
    case Method::kFlush:
      return Rights(Right::kAppend) | Right::kRead;
    case Method::kMarkDeleted:
    case Method::kFinalize:
      return Right::kDelete;
    case Method::kCloseRegion:
    case Method::kDropRegion:
    case Method::kVerifyRegion:
      return Right::kAdmin;
    case Method::kGetServerInfo:
    case Method::kListNamespaces:
    case Method::kListRegions:
    case Method::kGetStatistics:
      return Rights();
  }
  return Right::kAdmin;  // not a method
}

}  // namespace walden
