# A learning switch on os-ken, OpenFlow 1.3, for `osken-manager`: what it knows goes into flows.
from os_ken.base import app_manager
from os_ken.controller import ofp_event
from os_ken.controller.handler import CONFIG_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.lib.packet import ethernet, packet
from os_ken.ofproto import ofproto_v1_3


class LearningSwitch(app_manager.OSKenApp):
    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.ports = {}

    def add_flow(self, datapath, priority, match, port, length=0):
        parser = datapath.ofproto_parser
        actions = [parser.OFPActionOutput(port, length)]
        apply = [parser.OFPInstructionActions(datapath.ofproto.OFPIT_APPLY_ACTIONS, actions)]
        datapath.send_msg(parser.OFPFlowMod(datapath=datapath, priority=priority, match=match, instructions=apply))

    @set_ev_cls(ofp_event.EventOFPSwitchFeatures, CONFIG_DISPATCHER)
    def connected(self, event):
        datapath = event.msg.datapath
        protocol = datapath.ofproto
        self.add_flow(datapath, 0, datapath.ofproto_parser.OFPMatch(), protocol.OFPP_CONTROLLER, protocol.OFPCML_NO_BUFFER)

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)
    def packet_in(self, event):
        message = event.msg
        datapath, port = message.datapath, message.match["in_port"]
        parser, protocol = datapath.ofproto_parser, datapath.ofproto
        frame = packet.Packet(message.data).get_protocol(ethernet.ethernet)
        self.ports[datapath.id, frame.src] = port
        out = self.ports.get((datapath.id, frame.dst), protocol.OFPP_FLOOD)
        if out != protocol.OFPP_FLOOD:
            self.add_flow(datapath, 1, parser.OFPMatch(in_port=port, eth_dst=frame.dst, eth_src=frame.src), out)
        datapath.send_msg(parser.OFPPacketOut(datapath=datapath, buffer_id=protocol.OFP_NO_BUFFER, in_port=port,
                                              actions=[parser.OFPActionOutput(out)], data=message.data))
